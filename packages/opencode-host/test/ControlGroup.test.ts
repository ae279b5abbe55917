import { assert, describe, it } from "@effect/vitest"
import { placeOf } from "../src/internal/process/controlGroup.ts"

const unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
const hybrid =
  "31 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n32 23 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"

describe("the folder of a process's control group", () => {
  it("is where the unified hierarchy is mounted", () => {
    const own = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope\n"
    assert.strictEqual(
      placeOf(own, unified),
      "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope"
    )
    assert.strictEqual(placeOf("4:cpu:/a\n0::/\n", hybrid), "/sys/fs/cgroup/unified/")
  })

  it("is below the mount of a container that shows a part of the tree", () => {
    const part = unified.replace(" / /sys", " /docker/1 /sys")
    assert.strictEqual(placeOf("0::/docker/1/a\n", part), "/sys/fs/cgroup/a")
    assert.isUndefined(placeOf("0::/docker/12\n", part))
  })

  it("is unknown without the unified hierarchy, and outside of what is mounted", () => {
    assert.isUndefined(placeOf("4:cpu:/a\n", hybrid))
    assert.isUndefined(placeOf("0::/\n", "31 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"))
    assert.isUndefined(placeOf("0::/../other\n", unified))
  })
})
