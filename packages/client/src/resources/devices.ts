import { api, type AuditEntry, type DeviceCode, type DeviceId, type DeviceScope, type OperatorDevice } from "../api.ts"
import { type CallOptions, type Calls, pageSize } from "../internal/calls.ts"
import { pages } from "../internal/pages.ts"
import { watchQuery } from "../internal/watchQuery.ts"

export const makeDevices = ({ connection, mutation, query }: Calls) => ({
  /** Your devices: active before revoked ones, the newest first. */
  list: (options?: CallOptions): Promise<ReadonlyArray<OperatorDevice>> => query(api.devices.list, {}, options),
  watch: ({ signal }: CallOptions = {}): AsyncIterable<ReadonlyArray<OperatorDevice>> =>
    watchQuery(connection, api.devices.list, {}, signal),
  /** A code for a new device, which uses it within 5 minutes with `claimDevice`. */
  add: (device: { readonly name: string; readonly scope: DeviceScope }, options?: CallOptions): Promise<DeviceCode> =>
    mutation(api.devices.add, device, options),
  rename: async (deviceId: DeviceId, name: string, options?: CallOptions): Promise<void> => {
    await mutation(api.devices.rename, { deviceId, name }, options)
  },
  /** The device loses access at once, open subscriptions included. */
  revoke: async (deviceId: DeviceId, options?: CallOptions): Promise<void> => {
    await mutation(api.devices.revoke, { deviceId }, options)
  },
  /** Revokes the device of this client. */
  leave: async (options?: CallOptions): Promise<void> => {
    await mutation(api.devices.leave, {}, options)
  },
  /** Codes, claims and revocations, the newest first. */
  audit: (options?: CallOptions): AsyncIterable<AuditEntry> =>
    pages(pageSize, (paginationOpts) => query(api.devices.audit, { paginationOpts }, options))
})
