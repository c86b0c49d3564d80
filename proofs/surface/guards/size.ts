import type { Guard } from '../guard.ts'

const FILE_BYTES_MAX = 24 * 1024

/** A file holds one concept. Generated files are not written, and so not held to it. */
export const sizeGuard: Guard = {
  name: 'size',
  find: ({ files }) =>
    files
      .filter(({ path }) => /\.(?:ts|mjs|sh|md|nix|css|html)$/.test(path))
      .map(({ path, text }) => ({ path, bytes: Buffer.byteLength(text) }))
      .filter(({ bytes }) => bytes > FILE_BYTES_MAX)
      .map(({ path, bytes }) => ({
        path,
        line: 1,
        message: `${bytes} bytes, more than ${FILE_BYTES_MAX}: likely more than one concept`,
      })),
}
