/**
 * The texts of a query template: what is literal and what is put in, `${name.suffix}` or `${match(1)}` (http-api.md 16).
 *
 * Pure, no recursion, linear in the text, never throws. `$${` stands for a literal `${`. Of the reference's expression
 * language these are there: the four variables, `match` of an integer, texts and integers; no arithmetic, no conditions.
 */

export const VARIABLES = ['name.full', 'name.prefix', 'name.suffix', 'agent.segment'] as const
export type Variable = (typeof VARIABLES)[number]

export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: Variable }
  /** A group of the template's regular expression, 0 for all that matched. */
  | { readonly kind: 'match'; readonly group: number }

export type ParsedText =
  | { readonly ok: true; readonly parts: readonly TemplatePart[] }
  | { readonly ok: false; readonly reason: string }

const LITERAL = /[^$]+|\$\$\{|\$(?!\{)/y
const OPEN = '${'
const CLOSE = /\s*\}/y
const TEXT = /\s*"((?:[^"\\$]|\\["\\nt]|\$(?!\{))*)"/y
const INTEGER = /\s*(-?[0-9]{1,9})(?![\w.])/y
const MATCH = /\s*match\s*\(\s*(-?[0-9]{1,9})\s*\)/y
const NAME = /\s*([A-Za-z_][\w.-]*)(\s*\()?/y

const ESCAPES: Readonly<Record<string, string>> = {
  '\\"': '"',
  '\\\\': '\\',
  '\\n': '\n',
  '\\t': '\t',
}

export function parseTemplateText(text: string): ParsedText {
  const parts: TemplatePart[] = []
  let at = 0
  let literal = ''
  while (at < text.length) {
    const plain = take(LITERAL, text, at)
    if (plain !== null) {
      literal += plain[0] === '$${' ? OPEN : plain[0]
      at += plain[0].length
      continue
    }
    const found = parseExpression(text, at + OPEN.length)
    if (typeof found === 'string') return { ok: false, reason: found }
    if (literal !== '') parts.push({ kind: 'text', text: literal })
    literal = ''
    parts.push(found.part)
    at = found.end
  }
  if (literal !== '') parts.push({ kind: 'text', text: literal })
  return { ok: true, parts }
}

/** @returns the reason when there is no expression at `start` that ends with a brace */
function parseExpression(
  text: string,
  start: number,
): { readonly part: TemplatePart; readonly end: number } | string {
  const found = parseOperand(text, start)
  if (typeof found === 'string') return found
  const close = take(CLOSE, text, found.end)
  if (close === null) return `expected "}" at position ${found.end}`
  return { part: found.part, end: found.end + close[0].length }
}

function parseOperand(
  text: string,
  start: number,
): { readonly part: TemplatePart; readonly end: number } | string {
  const quoted = take(TEXT, text, start)
  if (quoted !== null) {
    const value = (quoted[1] ?? '').replace(/\\./g, (pair) => ESCAPES[pair] ?? pair)
    return { part: { kind: 'text', text: value }, end: start + quoted[0].length }
  }
  const number = take(INTEGER, text, start)
  if (number !== null) {
    const value = String(Number(number[1]))
    return { part: { kind: 'text', text: value }, end: start + number[0].length }
  }
  const match = take(MATCH, text, start)
  if (match !== null) {
    return { part: { kind: 'match', group: Number(match[1]) }, end: start + match[0].length }
  }
  const name = take(NAME, text, start)
  if (name === null) return `expected an expression at position ${start}`
  if (name[2] !== undefined) {
    return name[1] === 'match'
      ? 'match takes one integer, as in match(1)'
      : `unknown function called: ${name[1]}`
  }
  const variable = VARIABLES.find((known) => known === name[1])
  if (variable === undefined) {
    return `unknown variable accessed: ${name[1]}, there are ${VARIABLES.join(', ')}`
  }
  return { part: { kind: 'variable', name: variable }, end: start + name[0].length }
}

function take(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(text)
}
