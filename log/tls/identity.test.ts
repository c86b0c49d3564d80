import { expect, test } from 'vitest'
import { etcdClientIdentity, identitiesOf, isMember, mayUseEtcd, memberIdentity } from './identity.ts'

test('a member is named by its cluster and its id', () => {
  expect(memberIdentity('abc', 3)).toBe('ultracloud://abc/member/3')
  expect(memberIdentity('a/member/1?', 3)).toBe('ultracloud://a%2Fmember%2F1%3F/member/3')
})

test.each([
  ['no names', undefined, []],
  ['an empty text', '', []],
  ['hosts alone', 'DNS:localhost, IP Address:127.0.0.1', []],
  [
    'URIs among hosts',
    'DNS:a, URI:ultracloud://x/member/1, IP Address:::1, URI:b:c',
    ['ultracloud://x/member/1', 'b:c'],
  ],
  ['a URI within a quoted name', 'DNS:"a, URI:ultracloud://x/member/1, DNS:b"', []],
  ['a URI after an escaped quote', String.raw`DNS:"a\", URI:ultracloud://x/member/1, DNS:b"`, []],
  ['a quoted URI', 'URI:"ultracloud://x/member/1"', []],
  ['a text that breaks off', 'URI:ultracloud://x/member/1, DNS:"a', []],
])('the identities in %s', (_, subjectaltname, expected) => {
  const certificate = subjectaltname === undefined ? {} : { subjectaltname }
  expect(identitiesOf(certificate as { subjectaltname: string })).toEqual(expected)
})

test('a member of one cluster is none of another', () => {
  const certificate = { subjectaltname: 'URI:ultracloud://abc/member/1' }
  expect(isMember(certificate, 'abc')).toBe(true)
  expect(isMember(certificate, 'ab')).toBe(false)
  expect(isMember({ subjectaltname: 'URI:ultracloud://abc/client/1' }, 'abc')).toBe(false)
})

test('the etcd API is for members, and for clients whose certificate is for it', () => {
  const names = (uri: string) => ({ subjectaltname: `URI:${uri}` })
  expect(etcdClientIdentity('abc', 'an app')).toBe('ultracloud://abc/etcd/an%20app')
  expect(mayUseEtcd(names('ultracloud://abc/etcd/app'), 'abc')).toBe(true)
  expect(mayUseEtcd(names('ultracloud://abc/member/1'), 'abc')).toBe(true)
  expect(mayUseEtcd(names('ultracloud://abc/client/app'), 'abc')).toBe(false)
  expect(mayUseEtcd(names('ultracloud://other/etcd/app'), 'abc')).toBe(false)
})
