// Takes away with the classic SDK what classic_sdk.js made. Arguments: Events API, Configuration API.
'use strict'

const EventGateway = require('event-gateway-sdk-classic')

async function main ([url, configurationUrl]) {
  const gateway = new EventGateway({ url, configurationUrl })
  for (const subscription of await gateway.listSubscriptions()) await gateway.unsubscribe(subscription)
  for (const one of await gateway.listFunctions()) await gateway.deleteFunction(one)
  console.log(JSON.stringify([await gateway.listSubscriptions(), await gateway.listFunctions()]))
}

main(process.argv.slice(2)).catch(error => { console.error(error); process.exit(1) })
