import { defineTable } from "convex/server"
import { v } from "convex/values"
import { publicKey, scope } from "../validators.ts"

export const devicesTables = {
  /** Devices of operators. Every query of a device reads its row, which therefore changes only when the device does. */
  devices: defineTable({
    ownerId: v.string(),
    name: v.string(),
    scope,
    publicKey: publicKey,
    /** Milliseconds of the server's clock. */
    revokedAt: v.optional(v.number())
  }).index("by_owner_revoked", ["ownerId", "revokedAt"]),

  /** When a device was last seen, to within 10 minutes. */
  deviceUses: defineTable({ deviceId: v.id("devices"), lastSeenAt: v.number() }).index("by_device", ["deviceId"]),

  /** Codes by which a new device joins. A used one has its device, so that a repeated claim returns it. */
  deviceCodes: defineTable({
    ownerId: v.string(),
    name: v.string(),
    scope,
    /** SHA-256 of the code without dashes, hexadecimal. */
    codeHash: v.string(),
    /** Milliseconds of the server's clock. */
    expiresAt: v.number(),
    /** The device that created the code. Absent: an identity of a login provider, or the administrator. */
    addedBy: v.optional(v.id("devices")),
    deviceId: v.optional(v.id("devices"))
  })
    .index("by_hash", ["codeHash"])
    .index("by_owner_device", ["ownerId", "deviceId"]),

  /** The key by which the deployment signs the tokens of devices: one row. No public function reads the private key. */
  issuerKeys: defineTable({
    /** PKCS #8, base64. */
    privateKey: v.string(),
    publicKey: publicKey
  })
}
