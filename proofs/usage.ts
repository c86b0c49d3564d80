import { type ParseArgsConfig, parseArgs } from 'node:util'

type Options = NonNullable<ParseArgsConfig['options']>

/** What a program says of itself for `--help`, and when it is called in another way: then it ends with exit code 2, having done nothing. */
export class Usage {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The options that the program was called with. Ends it after printing the text where `--help` is one of them. */
  parse<const T extends Options>(options: T) {
    if (process.argv.slice(2).includes('--help')) {
      console.log(this.#text)
      process.exit(0)
    }
    try {
      return parseArgs({ options }).values
    } catch (error) {
      return this.refuse((error as Error).message)
    }
  }

  /** A number above zero. */
  positive(option: string, text: string, maximum: number): number {
    const number = Number(text)
    if (number > 0 && number <= maximum) return number
    return this.refuse(`--${option} takes a number above 0, up to ${maximum}, not ${text}`)
  }

  whole(option: string, text: string, minimum: number, maximum: number): number {
    const number = Number(text)
    if (text.trim() !== '' && Number.isSafeInteger(number) && number >= minimum && number <= maximum)
      return number
    return this.refuse(`--${option} takes a whole number from ${minimum} to ${maximum}, not ${text}`)
  }

  refuse(message: string): never {
    console.error(`error: ${message}\n\n${this.#text}`)
    process.exit(2)
  }
}
