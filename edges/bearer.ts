/** The bearer token of an Authorization header (RFC 6750 §2.1); undefined when there is none. */
export function bearerToken(header: unknown): string | undefined {
  return typeof header === 'string' ? /^Bearer +([^\s]+)$/i.exec(header)?.[1] : undefined
}
