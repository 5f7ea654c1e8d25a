// The SDK of the last generation, unchanged. Arguments: Events API, Configuration API, a function's URL. Prints JSON.
'use strict'

const EventGateway = require('@serverless/event-gateway-sdk')

async function main ([url, configurationUrl, target]) {
  const gateway = new EventGateway({ url, configurationUrl, space: 'team1' })
  const out = {}
  out.function = await gateway.createFunction({
    functionId: 'hello', type: 'http', provider: { url: target }, metadata: { made: 'by-sdk' }
  })
  out.duplicate = await gateway.createFunction({ functionId: 'hello', type: 'http', provider: { url: target } })
    .catch(error => error.message)
  out.updated = await gateway.updateFunction(out.function)
  out.eventType = await gateway.createEventType({ name: 'user.created' })
  out.updatedType = await gateway.updateEventType({ name: 'user.created', metadata: { a: 'b' } })
  out.subscription = await gateway.subscribe({
    type: 'async', eventType: 'user.created', functionId: 'hello', path: '/team1/', method: 'POST'
  })
  out.functions = await gateway.listFunctions({ 'metadata.made': 'by-sdk' })
  out.noFunctions = await gateway.listFunctions({ 'metadata.made': 'by-hand' })
  out.eventTypes = await gateway.listEventTypes()
  out.subscriptions = await gateway.listSubscriptions()
  out.cors = await gateway.createCORS({ method: 'GET', path: '/hello' })
  out.updatedCors = await gateway.updateCORS({ ...out.cors, allowCredentials: true })
  out.corsList = await gateway.listCORS()
  out.emitted = (await gateway.emit({
    eventID: 'sdk-1',
    eventType: 'user.created',
    cloudEventsVersion: '0.1',
    source: '/services/users',
    contentType: 'application/json',
    data: { name: 'Ada' }
  }, { path: '/team1/' })).status
  out.malformed = await gateway.emit({ eventType: 'user.created', cloudEventsVersion: '0.1' })
    .catch(error => error.message)
  out.inUse = await gateway.deleteFunction({ functionId: 'hello' }).catch(error => error.message)
  console.log(JSON.stringify(out))
}

main(process.argv.slice(2)).catch(error => { console.error(error); process.exit(1) })
