import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  type JsonName,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

cryptoProvider.set(webcrypto)

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const dayMilliseconds = 24 * 60 * 60 * 1000
/** Clocks differ: a certificate is valid from a while before it was issued. */
const clockSkewMilliseconds = 60 * 60 * 1000
const authorityDays = 3650
/** An authority, and under a rotation its successor: RFC 5280, 4.2.1.9. */
const pathLength = 1

/** A certificate and its key, in PEM. */
export interface Issued {
  /** The certificate first, then what leads from it to the authority before this one. */
  readonly certificate: string
  readonly key: string
}

/** A certificate to issue. */
export interface Subject {
  readonly commonName: string
  readonly names: readonly JsonGeneralName[]
  /** Members serve and call each other; clients only call. */
  readonly use: 'member' | 'client'
  readonly days: number
}

/** A certificate authority of one's own (RFC 5280): ECDSA on P-256 with SHA-256, ten years. */
export class Authority {
  /** PEM. */
  readonly certificate: string
  readonly key: string
  /** Its key, signed by the authority before it: with this, who trusts only that one accepts what this one issues. */
  readonly cross: string | undefined
  readonly #certificate: X509Certificate
  readonly #signingKey: CryptoKey

  static async create(clusterId: string): Promise<Authority> {
    const keys = await newKeys()
    const certificate = await X509CertificateGenerator.createSelfSigned({
      ...certificateBasics(authorityDays),
      name: [{ O: [clusterId] }, { CN: [`UltraCloud authority ${randomBytes(4).toString('hex')}`] }],
      keys,
      extensions: await authorityExtensions(keys.publicKey),
    })
    return new Authority(certificate, keys.privateKey, await privateKeyPem(keys.privateKey), undefined)
  }

  /** From what `certificate`, `key` and `cross` held. */
  static async load(certificate: string, key: string, cross: string | undefined): Promise<Authority> {
    const der = PemConverter.decodeFirst(key)
    const signingKey = await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign'])
    return new Authority(new X509Certificate(certificate), signingKey, key, cross)
  }

  private constructor(
    certificate: X509Certificate,
    signingKey: CryptoKey,
    key: string,
    cross: string | undefined,
  ) {
    this.#certificate = certificate
    this.#signingKey = signingKey
    this.certificate = pem(certificate)
    this.key = key
    this.cross = cross
  }

  get clusterId(): string {
    return this.#certificate.subjectName.getField('O')[0] ?? ''
  }

  /** An authority to take the place of this one, which vouches for it. */
  async successor(): Promise<Authority> {
    const next = await Authority.create(this.clusterId)
    const { subjectName, publicKey, notAfter } = next.#certificate
    const cross = await X509CertificateGenerator.create({
      ...certificateBasics(authorityDays),
      notAfter: earlier(notAfter, this.#certificate.notAfter),
      subject: subjectName,
      issuer: this.#certificate.subjectName,
      publicKey,
      signingKey: this.#signingKey,
      extensions: [
        ...(await authorityExtensions(publicKey)),
        await AuthorityKeyIdentifierExtension.create(this.#certificate),
      ],
    })
    return new Authority(next.#certificate, next.#signingKey, next.key, pem(cross))
  }

  /** A certificate with a key that is made for it. */
  async issue({ commonName, names, use, days }: Subject): Promise<Issued> {
    const keys = await newKeys()
    const usages =
      use === 'member'
        ? [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]
        : [ExtendedKeyUsage.clientAuth]
    const basics = certificateBasics(days)
    const subject: JsonName = [{ O: [this.clusterId] }, { CN: [commonName] }]
    const certificate = await X509CertificateGenerator.create({
      ...basics,
      notAfter: earlier(basics.notAfter, this.#certificate.notAfter),
      subject,
      issuer: this.#certificate.subjectName,
      publicKey: keys.publicKey,
      signingKey: this.#signingKey,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension(usages),
        new SubjectAlternativeNameExtension([...names]),
        await SubjectKeyIdentifierExtension.create(keys.publicKey),
        await AuthorityKeyIdentifierExtension.create(this.#certificate),
      ],
    })
    return { certificate: pem(certificate) + (this.cross ?? ''), key: await privateKeyPem(keys.privateKey) }
  }
}

function certificateBasics(days: number) {
  const now = Date.now()
  // Positive and not zero: RFC 5280, 4.1.2.2.
  const serial = randomBytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return {
    serialNumber: serial.toString('hex'),
    notBefore: new Date(now - clockSkewMilliseconds),
    notAfter: new Date(now + days * dayMilliseconds),
    signingAlgorithm: algorithm,
  }
}

/** Nothing is valid for longer than who issued it. */
function earlier(one: Date, other: Date): Date {
  return one < other ? one : other
}

async function authorityExtensions(publicKey: Parameters<typeof SubjectKeyIdentifierExtension.create>[0]) {
  return [
    new BasicConstraintsExtension(true, pathLength, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    await SubjectKeyIdentifierExtension.create(publicKey),
  ]
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

async function privateKeyPem(key: CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), PemConverter.PrivateKeyTag)}\n`
}

function pem(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`
}
