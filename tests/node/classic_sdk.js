// The SDK of the first generation, unchanged. Arguments: Events API, Configuration API, a function's URL. Prints JSON.
'use strict'

const EventGateway = require('event-gateway-sdk-classic')

async function main ([url, configurationUrl, target]) {
  const gateway = new EventGateway({ url, configurationUrl })
  const out = {}
  out.function = await gateway.registerFunction({ functionId: 'hello', provider: { type: 'http', url: target } })
  out.subscription = await gateway.subscribe({ event: 'user.created', functionId: 'hello' })
  out.http = await gateway.subscribe({ event: 'http', functionId: 'hello', method: 'GET', path: '/greet' })
  out.functions = await gateway.listFunctions()
  out.subscriptions = await gateway.listSubscriptions()
  out.invoked = await (await gateway.invoke({ functionId: 'hello', data: { name: 'Joan' } })).text()
  out.unknown = await gateway.invoke({ functionId: 'nobody', data: {} }).catch(error => error.message)
  out.emitted = (await gateway.emit({ event: 'user.created', data: { name: 'Ada' } })).status
  out.emittedText = (await gateway.emit({ event: 'user.created', data: 'plain', dataType: 'text/plain' })).status
  out.duplicate = await gateway.subscribe({ event: 'user.created', functionId: 'hello' }).catch(error => error.message)
  console.log(JSON.stringify(out))
}

main(process.argv.slice(2)).catch(error => { console.error(error); process.exit(1) })
