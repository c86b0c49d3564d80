import type { Operation, PutRequest, TxnRequest } from '../../domains/kv/model.ts'
import { etcdError } from './status.ts'

/** Operations of one transaction, at most (etcd's --max-txn-ops). */
const OPERATIONS_MAX = 128

/** What etcd takes of one request that writes (its default of --max-request-bytes), and what it puts around it. */
const WRITE_BYTES_MAX = 1.5 * 1024 * 1024
const AROUND_BYTES = 18

/*
 * What is wrong with a request whatever the state is. Throws StatusError, as etcd 3.4 does in etcdserver/api/v3rpc/key.go.
 */

/** A request that goes into the log, by its bytes. */
export function checkSize(request: Uint8Array): void {
  if (request.length + AROUND_BYTES > WRITE_BYTES_MAX) throw etcdError('requestTooLarge')
}

export function checkKey({ key }: { readonly key: string }): void {
  if (key === '') throw etcdError('emptyKey')
}

export function checkPut(request: PutRequest): void {
  checkKey(request)
  if (request.ignoreValue && request.value !== '') throw etcdError('valueProvided')
  if (request.ignoreLease && request.lease !== '0') throw etcdError('leaseProvided')
}

export function checkTxn(request: TxnRequest): void {
  checkOperations(request, OPERATIONS_MAX)
  checkOverlaps(request.success)
  checkOverlaps(request.failure)
}

function checkOperations({ compare, success, failure }: TxnRequest, most: number): void {
  const count = Math.max(compare.length, success.length, failure.length)
  if (count > most) throw etcdError('tooManyOperations')
  for (const comparison of compare) checkKey(comparison)
  for (const operation of [...success, ...failure]) {
    switch (operation.kind) {
      case 'range':
      case 'delete':
        checkKey(operation.request)
        break
      case 'put':
        checkPut(operation.request)
        break
      case 'txn':
        checkOperations(operation.request, most - count)
    }
  }
}

interface Writes {
  readonly puts: Set<string>
  readonly deletes: (readonly [key: string, rangeEnd: string])[]
}

/** No key may be put twice, or put and deleted, in one transaction; the two paths of a nested one count each for itself. */
function checkOverlaps(operations: readonly Operation[]): Writes {
  const puts = new Set<string>()
  const deletes: Writes['deletes'] = []
  const take = (key: string): void => {
    if (deletes.some(([from, end]) => meets(from, end, key))) throw etcdError('duplicateKey')
    puts.add(key)
  }
  for (const operation of operations)
    if (operation.kind === 'delete') deletes.push([operation.request.key, operation.request.rangeEnd])
  for (const operation of operations) {
    if (operation.kind !== 'txn') continue
    const success = checkOverlaps(operation.request.success)
    const failure = checkOverlaps(operation.request.failure)
    for (const key of success.puts) {
      if (puts.has(key)) throw etcdError('duplicateKey')
      take(key)
    }
    for (const key of failure.puts) {
      if (puts.has(key) && !success.puts.has(key)) throw etcdError('duplicateKey')
      take(key)
    }
    deletes.push(...success.deletes, ...failure.deletes)
  }
  for (const operation of operations) {
    if (operation.kind !== 'put') continue
    if (puts.has(operation.request.key)) throw etcdError('duplicateKey')
    take(operation.request.key)
  }
  return { puts, deletes }
}

/** As etcd sees it, for which an end of one zero byte lies before every other key. */
function meets(from: string, end: string, key: string): boolean {
  return key >= from && key < (end === '' ? `${from}\0` : end)
}
