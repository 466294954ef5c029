/**
 * Points in time as people write them into entries: RFC 3339, as `2026-12-31T18:00:00Z` or with an offset. Pure.
 */

const FORM =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d{1,9})?(?:[Zz]|([+-])(\d\d):(\d\d))$/
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const DAY_S = 86_400

/** @returns epoch ms; undefined when it is no point in time */
export function parseTimestamp(text: string): number | undefined {
  const found = FORM.exec(text)
  if (found === null) return undefined
  const at = (i: number): number => Number(found[i] ?? 0)
  const [year, month, day, hour, minute, second] = [at(1), at(2), at(3), at(4), at(5), at(6)]
  const length = month === 2 && isLeap(year) ? 29 : DAYS[month - 1]
  if (length === undefined || day < 1 || day > length) return undefined
  // A leap second counts as the one before.
  if (hour > 23 || minute > 59 || second > 60 || at(9) > 23 || at(10) > 59) return undefined
  const offset = (at(9) * 60 + at(10)) * 60 * (found[8] === '-' ? -1 : 1)
  const seconds = daysBefore(year, month, day) * DAY_S + (hour * 60 + minute) * 60
  return (seconds + Math.min(59, second) - offset) * 1000 + Math.floor(at(7) * 1000)
}

/** Since 1970-01-01. */
function daysBefore(year: number, month: number, day: number): number {
  const before = year - 1
  const leaps = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400)
  let days = before * 365 + leaps - 719_162 + day - 1
  for (let m = 1; m < month; m++) days += (DAYS[m - 1] ?? 0) + (m === 2 && isLeap(year) ? 1 : 0)
  return days
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}
