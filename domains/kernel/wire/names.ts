/** `recordSet`, `record-sets` and `record_set` alike as lower-case words. */
function words(name: string): readonly string[] {
  return name
    .replaceAll(/([A-Z])/g, ' $1')
    .split(/[ _.-]+/)
    .filter((word) => word !== '')
    .map((word) => word.toLowerCase())
}

/** `recordSet` → `record_set`. */
function snakeCase(name: string): string {
  return words(name).join('_')
}

/** `record-sets` → `RecordSets`. */
export function pascalCase(name: string): string {
  return words(name)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('')
}

/** `record-sets` → `recordSets`. */
export function camelCase(name: string): string {
  const pascal = pascalCase(name)
  return pascal.slice(0, 1).toLowerCase() + pascal.slice(1)
}

/** `in-use` → `IN_USE`. Throws TypeError for what is no identifier then. */
export function enumName(value: string): string {
  const name = value
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .toUpperCase()
  if (!/^[A-Z0-9]+(_[A-Z0-9]+)*$/.test(name))
    throw new TypeError(`enum value ${JSON.stringify(value)} has no name on the wire`)
  return name
}

/** The name of one of a field's items: `rules` → `Rule`, `addresses` → `Address`. */
export function itemName(field: string): string {
  const name = pascalCase(field)
  if (/(ss|x|ch|sh)es$/.test(name)) return name.slice(0, -2)
  if (name.endsWith('ies')) return `${name.slice(0, -3)}y`
  return /[^s]s$/.test(name) ? name.slice(0, -1) : name
}

/** The name of a field on the wire (protobuf style guide: lower_snake_case). Throws TypeError for one that JSON clients would spell otherwise. */
export function fieldName(key: string): string {
  const name = snakeCase(key)
  const back = name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
  if (back !== key || !/^[a-z][a-z0-9_]*$/.test(name))
    throw new TypeError(`field ${key} is not camelCase that survives the way to the wire and back`)
  return name
}
