/** Where a cloud that was left running is to be found. */
export interface KeptCloud {
  /** host:port. */
  readonly dns: string
  readonly name: string
  readonly page: string
  /** The file with what it says. */
  readonly log: string
}

/** What the quickstart says at its end: what it has shown, and how to go on. */
export function summary(proved: readonly string[], kept: KeptCloud | undefined): readonly string[] {
  return ['', 'What this has shown:', ...proved.map((proof) => `  - ${proof}`), '', ...next(kept)]
}

function next(kept: KeptCloud | undefined): readonly string[] {
  if (kept === undefined)
    return ['Nothing was left running. To keep a cloud, and play with it:', '  npm run quickstart -- --keep']
  const [host, port] = kept.dns.split(':')
  return [
    `The cloud is still running; what it says goes to ${kept.log}. Try:`,
    `  dig @${host} -p ${port} ${kept.name}`,
    `  curl ${kept.page}`,
    '  npm run -s ultracloud -- get instances --project demo',
    '  npm run -s ultracloud -- why instance/web-1 --project demo',
    '  npm run -s ultracloud -- diff --from 1',
    '  npm run -s ultracloud -- down --end-instances        (ends all of it)',
  ]
}
