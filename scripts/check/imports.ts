import { glob } from 'node:fs/promises'
import { z } from 'zod'
import { type Outcome, runTool, type Step } from './step.ts'

/** The folders that the import rules of `.dependency-cruiser.mjs` speak of. */
const FOLDERS = ['log', 'domains', 'projections', 'edges', 'hostd', 'main', 'proofs', 'scripts']

/** The part of dependency-cruiser's JSON result that is read here. */
const Cruise = z.object({
  modules: z.array(z.object({ source: z.string() })),
  summary: z.object({
    violations: z.array(z.object({ from: z.string(), to: z.string(), rule: z.object({ name: z.string() }) })),
  }),
})

/**
 * Import direction by dependency-cruiser. With a compiler that it cannot use it reads no module and reports
 * success, so the step also fails unless the modules read are exactly the `.ts` files of the folders.
 */
export const importsStep: Step = { name: 'imports', run: checkImports }

async function checkImports(root: string): Promise<Outcome> {
  const files = await sourceFiles(root)
  const folders = FOLDERS.filter((folder) => files.some((file) => file.startsWith(`${folder}/`)))
  const { code, stdout, stderr } = await runTool(root, 'depcruise', [
    '--config',
    '.dependency-cruiser.mjs',
    '--output-type',
    'json',
    ...folders,
  ])
  const cruise = parseCruise(stdout)
  if (cruise === undefined)
    return { passed: false, output: `depcruise ended with ${code}: ${stderr}${stdout}` }

  const read = new Set(cruise.modules.map((module) => module.source).filter(isSource))
  const unread = files.filter((file) => !read.has(file))
  const findings = [
    ...cruise.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} imports ${to}`),
    ...unread.map((file) => `module-not-read: ${file}`),
    ...(read.size === files.length ? [] : [`read ${read.size} modules, the folders have ${files.length}`]),
    ...(files.length === 0 ? ['no .ts file in the folders'] : []),
  ]
  return { passed: findings.length === 0, output: findings.join('\n') }
}

function isSource(path: string): boolean {
  return path.endsWith('.ts') && FOLDERS.some((folder) => path.startsWith(`${folder}/`))
}

async function sourceFiles(root: string): Promise<string[]> {
  const files: string[] = []
  for await (const file of glob(`{${FOLDERS.join(',')}}/**/*.ts`, { cwd: root })) files.push(file)
  return files.toSorted()
}

function parseCruise(text: string): z.infer<typeof Cruise> | undefined {
  try {
    return Cruise.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
