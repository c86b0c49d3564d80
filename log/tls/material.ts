import { createPrivateKey, X509Certificate } from 'node:crypto'
import { open } from 'node:fs/promises'
import { createSecureContext, type SecureContext } from 'node:tls'

const fileBytesMax = 256 * 1024
const certificatesMax = 32
const chainMax = 4
const day = 24 * 60 * 60 * 1000
/** Less than this before its end, a certificate is warned of. */
const expiresSoonMilliseconds = 14 * day

/** The files that a side of a connection is told of; all of them PEM. */
export interface TlsFiles {
  /** The certificates of the authorities that are trusted. */
  readonly caFile: string
  /** Its own certificate, and whatever leads from there to an authority; absent for a client that shows none. */
  readonly own?: { readonly certificateFile: string; readonly keyFile: string }
}

/** What the files hold: proved to fit together. */
export interface TlsMaterial {
  readonly ca: string
  readonly certificate: string | undefined
  readonly key: string | undefined
  readonly authorities: readonly X509Certificate[]
  /** For connections that are made from here. */
  readonly context: SecureContext
}

/** Files that make no TLS possible, and what is wrong with them. */
export class TlsError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'TlsError'
  }
}

/** Reads the files. Throws TlsError unless all are there and fit together. */
export async function readMaterial({ caFile, own }: TlsFiles): Promise<TlsMaterial> {
  const ca = await read(caFile)
  const authorities = certificatesIn(ca, caFile)
  const stranger = authorities.find((each) => !each.ca)
  if (stranger !== undefined)
    throw new TlsError(`${caFile}: the certificate of ${subjectOf(stranger)} is of no authority`)
  if (own === undefined)
    return { ca, certificate: undefined, key: undefined, authorities, context: createSecureContext({ ca }) }
  const certificate = await read(own.certificateFile)
  const key = await read(own.keyFile)
  const [leaf, ...between] = certificatesIn(certificate, own.certificateFile)
  if (leaf === undefined || !leaf.checkPrivateKey(privateKey(key, own.keyFile)))
    throw new TlsError(`${own.keyFile} is not the key of the certificate in ${own.certificateFile}`)
  if (!leadsTo(authorities, leaf, between))
    throw new TlsError(`${own.certificateFile}: it was issued by none of the authorities in ${caFile}`)
  return { ca, certificate, key, authorities, context: createSecureContext({ ca, cert: certificate, key }) }
}

/** Whether a certificate was signed by one of the authorities, if need be over some of the certificates between. */
export function leadsTo(
  authorities: readonly X509Certificate[],
  certificate: X509Certificate,
  between: readonly X509Certificate[],
): boolean {
  let at: X509Certificate | undefined = certificate
  for (let steps = 0; at !== undefined && steps < chainMax; steps++) {
    const current: X509Certificate = at
    if (authorities.some((authority) => signed(authority, current))) return true
    at = between.find((each) => each !== current && each.ca && signed(each, current))
  }
  return false
}

/** What an operator should know of how long its own certificate lasts; undefined while there is time. */
export function expiryWarning({ certificate }: TlsMaterial, now: number): string | undefined {
  if (certificate === undefined) return undefined
  const { validFromDate, validToDate } = new X509Certificate(certificate)
  if (now < validFromDate.getTime())
    return `this node's certificate is valid only from ${validFromDate.toISOString()} on`
  const left = validToDate.getTime() - now
  if (left <= 0) return `this node's certificate ended at ${validToDate.toISOString()}: issue another one`
  if (left > expiresSoonMilliseconds) return undefined
  return `this node's certificate ends at ${validToDate.toISOString()}: issue another one`
}

function signed(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

/** The certificates in a text. Throws TlsError when it holds none; `path` is what messages call it. */
export function certificatesIn(pem: string, path: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) throw new TlsError(`${path} holds no certificate in PEM`)
  if (blocks.length > certificatesMax)
    throw new TlsError(`${path} holds more than ${certificatesMax} certificates`)
  return blocks.map((block) => {
    try {
      return new X509Certificate(block)
    } catch (error) {
      throw new TlsError(`${path}: ${(error as Error).message}`)
    }
  })
}

function privateKey(pem: string, path: string) {
  try {
    return createPrivateKey(pem)
  } catch {
    throw new TlsError(`${path} holds no private key in PEM`)
  }
}

function subjectOf({ subject }: X509Certificate): string {
  return JSON.stringify(subject.replaceAll('\n', ', '))
}

async function read(path: string): Promise<string> {
  const file = await open(path).catch((error: Error) => {
    throw new TlsError(error.message)
  })
  try {
    const buffer = Buffer.alloc(fileBytesMax + 1)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    if (bytesRead > fileBytesMax) throw new TlsError(`${path} has more than ${fileBytesMax} bytes`)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}
