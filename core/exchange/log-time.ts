/**
 * Times in access logs: the letters of strftime that Envoy's %START_TIME(…)% knows, in UTC. Pure.
 */

const DEFAULT = '%Y-%m-%dT%H:%M:%E3SZ'
const LETTERS = /%(E([1-9])S|([1-9])f|[YmdeHMSsfTFyjbaZz%])/g
const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec'
const DAYS = 'SunMonTueWedThuFriSat'

/** @param epochMs with its fraction. @param format '' for ISO 8601 with milliseconds */
export function logTime(epochMs: number, format = ''): string {
  const date = new Date(Math.floor(epochMs))
  const nanos = String(Math.floor((epochMs - Math.floor(epochMs / 1000) * 1000) * 1e6)).padStart(
    9,
    '0',
  )
  return (format === '' ? DEFAULT : format).replace(LETTERS, (whole, letter, digits, fraction) => {
    if (digits !== undefined)
      return `${two(date.getUTCSeconds())}.${nanos.slice(0, Number(digits))}`
    if (fraction !== undefined) return nanos.slice(0, Number(fraction))
    return part(date, letter, nanos) ?? whole
  })
}

function part(date: Date, letter: string, nanos: string): string | undefined {
  switch (letter) {
    case 'Y':
      return String(date.getUTCFullYear())
    case 'y':
      return two(date.getUTCFullYear() % 100)
    case 'm':
      return two(date.getUTCMonth() + 1)
    case 'd':
      return two(date.getUTCDate())
    case 'e':
      return String(date.getUTCDate()).padStart(2, ' ')
    case 'H':
      return two(date.getUTCHours())
    case 'M':
      return two(date.getUTCMinutes())
    case 'S':
      return two(date.getUTCSeconds())
    case 's':
      return String(Math.floor(date.getTime() / 1000))
    case 'f':
      return nanos
    case 'T':
      return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`
    case 'F':
      return `${date.getUTCFullYear()}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`
    case 'j':
      return String(dayOfYear(date)).padStart(3, '0')
    case 'b':
      return MONTHS.slice(date.getUTCMonth() * 3, date.getUTCMonth() * 3 + 3)
    case 'a':
      return DAYS.slice(date.getUTCDay() * 3, date.getUTCDay() * 3 + 3)
    case 'Z':
      return 'UTC'
    case 'z':
      return '+0000'
    case '%':
      return '%'
    default:
      return undefined
  }
}

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
