/** The routes of the deployment: the public key of the tokens that it issues for devices. */
import { httpRouter } from "convex/server"
import { JWKS_PATH } from "./deviceTokens.ts"
import { jwks } from "./tokens.ts"

const http = httpRouter()
http.route({ path: JWKS_PATH, method: "GET", handler: jwks })
export default http
