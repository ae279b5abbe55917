import { createServer } from "node:http"
import { faultProxy } from "@opencode-worker/testkit"

const server = createServer((_, response) => response.end("hello"))
await new Promise<void>((resolve) => server.listen(3211, "127.0.0.1", resolve))

await using proxy = await faultProxy({ port: 3211 })
const get = () =>
  fetch(proxy.url).then(
    (response) => response.text(),
    () => "the network is down"
  )

console.log(await get())
await proxy.refuse()
console.log(await get())
await proxy.restore()
console.log(await get())
server.close()
