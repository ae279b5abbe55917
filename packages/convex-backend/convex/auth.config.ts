/** The issuers of tokens that identify operators. Add your login provider here. */
import { deviceProvider } from "./deviceProvider.ts"

export default { providers: [deviceProvider] }
