// Invokes actions as OpenWhisk's own client does: openwhisk_invoke.js API_HOST AUTH, then the calls as JSON on stdin:
// [{name, namespace, blocking, params}]. Prints the answers, or "error".
const openwhisk = require('openwhisk')

const [apihost, apiKey] = process.argv.slice(2)

async function main() {
  const calls = JSON.parse(require('fs').readFileSync(0, 'utf8'))
  const answers = []
  for (const { namespace, ...call } of calls) {
    const client = openwhisk({ apihost, api_key: apiKey, namespace, ignore_certs: true })
    answers.push(await client.actions.invoke({ ...call, result: call.blocking }).catch(() => 'error'))
  }
  console.log(JSON.stringify(answers))
}

main()
