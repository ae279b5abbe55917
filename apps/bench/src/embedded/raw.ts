/**
 * The lower bound of a durable write over a socket, and of an HTTP response, in its own process and without Convex: a row
 * in a SQLite file with `synchronous = FULL` behind `ws`, and a constant behind `node:http`.
 */
import { createServer } from "node:http"
import { DatabaseSync } from "node:sqlite"
import { WebSocketServer } from "ws"

const db = new DatabaseSync(process.argv[2]!)
db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
db.exec("CREATE TABLE rows(id INTEGER PRIMARY KEY, content TEXT NOT NULL)")
const insert = db.prepare("INSERT INTO rows(content) VALUES (?)")
const content = "x".repeat(300)

const server = createServer((request, response) => {
  request.resume().on("end", () => response.writeHead(200, { "content-type": "application/json" }).end("{}"))
})
new WebSocketServer({ server }).on("connection", (socket) => {
  socket.on("message", () => {
    insert.run(content)
    socket.send("{}")
  })
})
const report = () => {
  const address = server.address()
  const { system, user } = process.cpuUsage()
  if (typeof address === "object") process.send?.({ cpuMs: (system + user) / 1000, port: address?.port })
}
process.on("message", report)
server.listen(0, "127.0.0.1", report)
process.on("disconnect", () => process.exit())
