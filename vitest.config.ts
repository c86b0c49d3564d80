import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{log,domains,projections,edges,hostd,main,proofs,scripts}/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ['default'],
  },
})
