/**
 * The folder that `fairlead debug` fills, and the archive it makes of it.
 *
 * Files are written 0600, because what an agent tells of itself is for its operators only. The archive is gzip over
 * tar, streamed from the files, and in place only when it is whole.
 */

import { createReadStream, createWriteStream } from 'node:fs'
import { appendFile, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { TAR_END, tarHeader, tarPadding } from '../../core/archive/tar.ts'
import { PRIVATE_DIR_MODE, PRIVATE_FILE_MODE } from '../../runtime/host/atomic-file.ts'

export class CaptureFolder {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /** @throws the error of the platform, also when it exists */
  static async create(path: string): Promise<CaptureFolder> {
    await mkdir(path, { mode: PRIVATE_DIR_MODE })
    return new CaptureFolder(path)
  }

  async write(name: string, text: string | Uint8Array): Promise<void> {
    const path = join(this.path, name)
    await mkdir(dirname(path), { recursive: true, mode: PRIVATE_DIR_MODE })
    await writeFile(path, text, { mode: PRIVATE_FILE_MODE })
  }

  async append(name: string, bytes: Uint8Array): Promise<void> {
    await appendFile(join(this.path, name), bytes, { mode: PRIVATE_FILE_MODE })
  }

  /** Replaces the folder by `<path>.tar.gz`. @returns its path */
  async archive(now: number): Promise<string> {
    const target = `${this.path}.tar.gz`
    const unfinished = `${target}.tmp`
    const out = createWriteStream(unfinished, { flags: 'wx', mode: PRIVATE_FILE_MODE })
    await pipeline(Readable.from(this.#tar(now)), createGzip(), out)
    await rename(unfinished, target)
    await rm(this.path, { recursive: true })
    return target
  }

  async *#tar(now: number): AsyncGenerator<Uint8Array> {
    const entries = await readdir(this.path, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile())
    const paths = files.map(({ parentPath, name }) => join(parentPath, name)).sort()
    for (const path of paths) {
      const sizeBytes = (await stat(path)).size
      const name = `${basename(this.path)}/${relative(this.path, path)}`
      yield tarHeader({ name, sizeBytes }, now)
      if (sizeBytes > 0) yield* createReadStream(path, { end: sizeBytes - 1 })
      yield tarPadding(sizeBytes)
    }
    yield TAR_END
  }
}
