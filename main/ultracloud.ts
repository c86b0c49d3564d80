#!/usr/bin/env node
import { cacheCompiledCode } from './compile_cache.ts'

// Before anything else is loaded, or it would not be found there.
cacheCompiledCode()
await import('./run.ts')
