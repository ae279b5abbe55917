/** Devices and single calls over HTTP. Loads neither a WebSocket client nor `effect`, so a short program starts sooner. */
export { ClientError, isClientError } from "./ClientError.ts"
export { claimDevice, createDeviceKey, type Device, deviceAuth, type DeviceKey } from "./Device.ts"
export { httpCall, type HttpFetch, type HttpOptions } from "./httpCall.ts"
