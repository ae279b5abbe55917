/** The part that the tests use; the package has no types of its own. */
declare module "oidc-provider" {
  import type { IncomingMessage, ServerResponse } from "node:http"
  interface ProviderContext {
    readonly path: string
    readonly oidc?: { readonly client?: { readonly clientId: string } }
    status: number
    body?: { readonly id_token?: string; readonly error?: string }
  }
  export class Provider {
    constructor(issuer: string, options: object)
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    use(middleware: (context: ProviderContext, next: () => Promise<void>) => Promise<void>): this
  }
}
