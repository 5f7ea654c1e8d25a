// The official CloudEvents SDK emits in binary, structured and batch mode. Argument: Events API. Prints the statuses.
'use strict'

const { CloudEvent, HTTP, emitterFor, httpTransport } = require('cloudevents')

async function main ([url]) {
  const statuses = []
  const fetchTransport = async message => {
    const answer = await fetch(url, { method: 'POST', headers: message.headers, body: message.body })
    statuses.push(answer.status)
  }
  const make = (id, members) => new CloudEvent({ id, type: 'sdk.event', source: '/js', ...members })
  // Its own transport sends chunked bodies.
  const binary = emitterFor(httpTransport(url), { mode: 'binary' })
  const structured = emitterFor(httpTransport(url), { mode: 'structured' })
  await binary(make('binary', { data: { mode: 'binary' }, subject: 'a b"c%', count: 7 }))
  await structured(make('structured', { data: { mode: 'structured' }, subject: 'a b"c% €', count: 7 }))
  await structured(make('bytes', { data: new Uint8Array([0, 1, 2, 255]), datacontenttype: 'image/png' }))
  await fetchTransport(HTTP.binary(make('text', { data: 'text', datacontenttype: 'text/plain' })))
  await fetchTransport(HTTP.structured(make('none', {})))
  console.log(JSON.stringify(statuses))
}

main(process.argv.slice(2)).catch(error => { console.error(error); process.exit(1) })
