/**
 * `fairlead rtt`: how long a packet takes between two nodes and back, by their coordinates (cli.md section 7).
 */

import { type Coordinate, distance } from '../../core/coordinates/coordinate.ts'
import { FairleadError } from '../../core/errors.ts'
import { API_FLAGS, ApiClient } from '../api-client.ts'
import { type CommandSpec, toggle, UsageError } from '../command.ts'

const WAN_NAMES = 'Node names must be specified as <node name>.<datacenter> with -wan'

interface Place {
  readonly Node: string
  readonly Segment: string
  readonly Coord: {
    readonly Vec: readonly number[]
    readonly Error: number
    readonly Adjustment: number
    readonly Height: number
  }
}

interface DatacenterPlaces {
  readonly Datacenter: string
  readonly Coordinates: readonly Place[]
}

export const rttCommand: CommandSpec = {
  summary: 'Estimate the round trip between two nodes',
  usage: 'NODE1 [NODE2]',
  flags: [
    toggle('wan', 'between servers of datacenters, named <node name>.<datacenter>'),
    ...API_FLAGS,
  ],
  run: async (args, context) => {
    const [first, given, ...more] = args.positionals
    if (first === undefined || more.length > 0) {
      throw new UsageError('One or two node names must be specified')
    }
    const client = new ApiClient(args, context)
    const isWan = args.bool('wan')
    const second = given ?? (await ownName(client, isWan))
    const placeOf = isWan ? await wanPlaces(client) : lanPlaceOf
    const a = await placeOf(client, first)
    const b = await placeOf(client, second)
    if (a.vec.length !== b.vec.length) {
      throw new FairleadError('REJECTED', 'The coordinates of these nodes cannot be compared')
    }
    const ms = (distance(a, b) * 1000).toFixed(3)
    const pool = isWan ? 'WAN' : 'LAN'
    context.stdout(`Estimated ${first} <-> ${second} rtt: ${ms} ms (using ${pool} coordinates)\n`)
    return 0
  },
}

async function ownName(client: ApiClient, isWan: boolean): Promise<string> {
  const self = (await client.get('/v1/agent/self')).json() as {
    readonly Config: { readonly NodeName: string; readonly Datacenter: string }
  }
  const { NodeName, Datacenter } = self.Config
  return isWan ? `${NodeName}.${Datacenter}` : NodeName
}

async function lanPlaceOf(client: ApiClient, node: string): Promise<Coordinate> {
  const path = `/v1/coordinate/node/${encodeURIComponent(node)}`
  const answer = await client.get(path, { accept: [404] })
  const places = answer.status === 404 ? [] : (answer.json() as readonly Place[])
  const place = places.find(({ Segment }) => Segment === '') ?? places[0]
  return coordinateOf(place, node)
}

type PlaceOf = (client: ApiClient, node: string) => Promise<Coordinate>

async function wanPlaces(client: ApiClient): Promise<PlaceOf> {
  const answer = await client.get('/v1/coordinate/datacenters')
  const all = answer.json() as readonly DatacenterPlaces[]
  return async (_, name) => {
    const [node, datacenter, ...more] = name.split('.')
    if (!node || !datacenter || more.length > 0) throw new UsageError(WAN_NAMES)
    const there = all.find(({ Datacenter }) => Datacenter === datacenter)
    return coordinateOf(
      there?.Coordinates.find(({ Node }) => Node === node),
      name,
    )
  }
}

function coordinateOf(place: Place | undefined, node: string): Coordinate {
  if (place === undefined) {
    throw new FairleadError('NOT_FOUND', `Could not find a coordinate for node "${node}"`)
  }
  const { Vec: vec, Error: error, Adjustment: adjustment, Height: height } = place.Coord
  return { vec, error, adjustment, height }
}
