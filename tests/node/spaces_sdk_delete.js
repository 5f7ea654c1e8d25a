// Takes away with the SDK what spaces_sdk.js made. Arguments: Events API, Configuration API. Prints what is left.
'use strict'

const EventGateway = require('@serverless/event-gateway-sdk')

async function main ([url, configurationUrl]) {
  const gateway = new EventGateway({ url, configurationUrl, space: 'team1' })
  for (const subscription of await gateway.listSubscriptions()) await gateway.unsubscribe(subscription)
  for (const cors of await gateway.listCORS()) await gateway.deleteCORS(cors)
  for (const eventType of await gateway.listEventTypes()) await gateway.deleteEventType(eventType)
  for (const one of await gateway.listFunctions()) await gateway.deleteFunction(one)
  const missing = await gateway.deleteFunction({ functionId: 'hello' }).catch(error => error.message)
  const left = [await gateway.listSubscriptions(), await gateway.listCORS(), await gateway.listEventTypes(),
    await gateway.listFunctions()]
  console.log(JSON.stringify({ left, missing }))
}

main(process.argv.slice(2)).catch(error => { console.error(error); process.exit(1) })
