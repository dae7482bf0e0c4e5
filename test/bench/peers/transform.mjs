// What the step to 1.1.0 does, without anything around it: the same work for each peer.
import { createHash } from 'node:crypto'

const URL_NAMESPACE = Buffer.from('6ba7b8119dad11d180b400c04fd430c8', 'hex')
const shortId = (name) => {
  const hash = createHash('sha1').update(URL_NAMESPACE).update(name).digest()
  hash[6] = (hash[6] & 0x0f) | 0x50
  return hash.toString('hex', 0, 4).slice(0, 7)
}
const header = {
  formatVersion: '1',
  schemaVersion: '1.1.0',
  createdWith: 'NetMonitor (unversioned)',
  migrations: [{ version: '1.1.0', description: 'Add endpoint metadata fields' }],
}

const idsOf = (config) =>
  new Map(
    Object.entries(config.regions).flatMap(([region, { endpoints }]) =>
      endpoints.map((e) => [`${region}-${e.name}`, shortId(`${e.address}${e.type}`)]),
    ),
  )

export const transformDay = (records, date, config) => {
  const ids = idsOf(config)
  return { header, date, results: records.map((r) => ({ ...r, endpoint_id: ids.get(r.endpoint_id) ?? shortId(r.endpoint_id) })) }
}

export const transformConfig = (config) => ({
  header,
  ...config,
  regions: Object.fromEntries(
    Object.entries(config.regions).map(([name, region]) => [
      name,
      {
        ...region,
        endpoints: region.endpoints.map((e) => ({ ...e, id: shortId(`${e.address}${e.type}`), enabled: true, description: '', tags: [] })),
      },
    ]),
  ),
})
