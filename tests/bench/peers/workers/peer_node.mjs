// The readers and chains of the JavaScript world. Speaks as serving.py tells: a line of JSON in, a line out.
// `cpu` is that of the whole process: what the runtime compiles and collects beside the engine is its cost too.
import fs from 'node:fs'
import readline from 'node:readline'
import zlib from 'node:zlib'

console.log = console.error // the answers alone go to the standard output

const bytes = text => Buffer.from(text, 'base64')

function opened(item) {
  if (Array.isArray(item)) return item
  const luma = new Uint8Array(fs.readFileSync(item.file))
  const rgba = new Uint8ClampedArray(luma.length * 4).fill(255)
  for (let at = 0; at < luma.length; at++) rgba[4 * at] = rgba[4 * at + 1] = rgba[4 * at + 2] = luma[at]
  return { luma, rgba, width: item.width, height: item.height }
}

function proving(verify) {
  return async texts => {
    const proven = []
    for (const text of texts) {
      try { proven.push(Boolean(await verify(text))) } catch { proven.push(false) }
    }
    return proven
  }
}

const makers = {
  jsQR: ['jsqr', async () => {
    const module = (await import('jsqr')).default
    const read = module.default ?? module
    return frame => [read(frame.rgba, frame.width, frame.height)].filter(Boolean).map(code => code.data)
  }],
  'zxing-wasm': ['zxing-wasm', async () => {
    const { prepareZXingModule, readBarcodes } = await import('zxing-wasm/reader')
    const wasm = fs.readFileSync(new URL(import.meta.resolve('zxing-wasm/reader/zxing_reader.wasm')))
    await prepareZXingModule({ overrides: { wasmBinary: wasm.buffer.slice(0) }, fireImmediately: true })
    const image = frame => ({ data: frame.rgba, width: frame.width, height: frame.height, colorSpace: 'srgb' })
    return async frame => (await readBarcodes(image(frame), { formats: ['QRCode'] })).map(code => code.text)
  }],
  'zbar-wasm': ['@undecaf/zbar-wasm', async () => {
    const { scanGrayBuffer } = await import('@undecaf/zbar-wasm')
    return async frame =>
      (await scanGrayBuffer(frame.luma.buffer, frame.width, frame.height)).map(code => code.decode())
  }],
  quirc: ['node-quirc', async () => {
    const quirc = (await import('node-quirc')).default
    return async frame => {
      const codes = await quirc.decode({ data: Buffer.from(frame.luma), width: frame.width, height: frame.height })
      return codes.filter(code => code.data).map(code => code.data.toString('utf8'))
    }
  }],
  'dcc-sdk': ['@pathcheck/dcc-sdk', async setup => {
    const sdk = (await import('@pathcheck/dcc-sdk')).default
    sdk.addCachedKeys(Object.fromEntries(setup.keys.HC1.map(key => [key.kid, key.spki])))
    return proving(async text => (await sdk.unpackAndVerify(text)).status === 'verified')
  }],
  jose: ['jose', async setup => {
    const { compactVerify, importSPKI } = await import('jose')
    const keys = {}
    for (const key of setup.keys.SHC) {
      const pem = `-----BEGIN PUBLIC KEY-----\n${key.spki}\n-----END PUBLIC KEY-----`
      keys[bytes(key.kid).toString()] = await importSPKI(pem, 'ES256')
    }
    return proving(async text => {
      const digits = text.slice('shc:/'.length)
      let token = ''
      for (let at = 0; at < digits.length; at += 2) token += String.fromCharCode(+digits.slice(at, at + 2) + 45)
      const { payload } = await compactVerify(token, header => keys[header.kid])
      return JSON.parse(zlib.inflateRawSync(payload)).vc
    })
  }],
}

async function turn(engine, items) {
  const cpu = [], wall = [], answers = []
  for (const item of items) {
    const subject = opened(item)
    const clock = performance.now(), spent = process.cpuUsage()
    let answer = []
    try { answer = await engine(subject) } catch { /* a peer that fails on a frame has not read it */ }
    const { user, system } = process.cpuUsage(spent)
    cpu.push((user + system) / 1000)
    wall.push(performance.now() - clock)
    answers.push(answer)
  }
  return { cpu, wall, answers }
}

const version = name => JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version
const engines = {}
for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  let answer
  if (request.engines) {
    answer = { packages: {}, absent: {} }
    for (const name of request.engines) {
      const [package_, make] = makers[name]
      try {
        engines[name] = await make(request)
        answer.packages[name] = `${package_} ${version(package_)}`
      } catch (error) { answer.absent[name] = String(error.message).split('\n')[0] }
    }
  } else answer = await turn(engines[request.engine], request.items)
  process.stdout.write(JSON.stringify(answer) + '\n')
}
