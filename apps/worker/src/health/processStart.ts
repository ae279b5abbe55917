/** When this process started, in epoch ms. Not Effect's clock: the uptime is real time. */
export const processStart = Math.round(Date.now() - process.uptime() * 1000)
