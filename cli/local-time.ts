/**
 * Times as people read them: RFC 850, in the zone of this host (cli.md section 8).
 */

/** @param text RFC 3339; anything else stays as it is */
export function localTime(text: string): string {
  const date = new Date(text)
  if (Number.isNaN(date.getTime())) return text
  const options = { weekday: 'long', month: 'short', timeZoneName: 'short' } as const
  const numbers = {
    day: '2-digit',
    year: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  } as const
  const format = new Intl.DateTimeFormat('en-GB', { ...options, ...numbers, hourCycle: 'h23' })
  const parts = new Map(format.formatToParts(date).map(({ type, value }) => [type, value]))
  const part = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? ''
  // Three letters, as in the RFC; some locales of English write Sept.
  const month = part('month').slice(0, 3)
  const time = `${part('hour')}:${part('minute')}:${part('second')}`
  return `${part('weekday')}, ${part('day')}-${month}-${part('year')} ${time} ${part('timeZoneName')}`
}
