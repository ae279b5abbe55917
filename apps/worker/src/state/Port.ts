/** The port at which a data folder was served last. */
import { Effect, Option, Schema } from "effect"
import * as PrivateFile from "./PrivateFile.ts"

const PortFile = Schema.Struct({ port: Schema.Int })

/** None at the first start, or if the file is damaged: any port works. */
export const read = (file: string) =>
  PrivateFile.read(file, PortFile).pipe(
    Effect.map(Option.map(({ port }) => port)),
    Effect.orElseSucceed(() => Option.none<number>())
  )

export const write = (file: string, port: number) => PrivateFile.write(file, PortFile, { port })
