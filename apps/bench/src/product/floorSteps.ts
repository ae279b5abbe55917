/** The steps of `floor.ts`: each does what the one before does, and more. */
export const floorSteps = ["read", "parse", "send", "turns"] as const
