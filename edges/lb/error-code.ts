/** The `code` of a system or parser error, such as ECONNREFUSED; '' when it has none. */
export function errorCode(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}
