import { join } from 'node:path'
import ts from 'typescript'
import { ROOT } from '../support/sandbox.ts'

/** The library's public names with their types and docstrings, taken from the source by the compiler itself. */

const FORMAT = ts.TypeFormatFlags.NoTruncation
const MOST = 600

type Known = { readonly name: string; readonly text: string; readonly docs: string }

const docsOf = (symbol: ts.Symbol, checker: ts.TypeChecker): string =>
  ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim()

const shortened = (text: string): string => (text.length > MOST ? `${text.slice(0, MOST)} …` : text)

/** A docstring's example is indented by four spaces, which Markdown shows as code. */
const block = (docs: string): string => (docs === '' ? '' : `${docs}\n`)

const isPublic = (member: ts.Symbol): boolean => {
  const [declaration] = member.declarations ?? []
  if (declaration === undefined || member.name.startsWith('__')) return false
  const flags = ts.getCombinedModifierFlags(declaration)
  return (flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) === 0 && !member.name.startsWith('#')
}

const methodsOf = (type: ts.Type, checker: ts.TypeChecker, at: ts.Node): Known[] =>
  type
    .getProperties()
    .filter(isPublic)
    .filter((member) => (member.flags & (ts.SymbolFlags.Method | ts.SymbolFlags.Accessor)) !== 0)
    .map((member) => {
      const signature = checker.typeToString(checker.getTypeOfSymbolAtLocation(member, at), undefined, FORMAT)
      return { name: member.name, text: `${member.name}: ${shortened(signature)}`, docs: docsOf(member, checker) }
    })

const sourceOf = (declaration: ts.Declaration): string =>
  declaration
    .getText()
    .replace(/^export (?:declare )?/, '')
    .replace(/\s*=\s*\n?\s*/, ' = ')

const describe = (symbol: ts.Symbol, checker: ts.TypeChecker): string => {
  const real = (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)
  const [declaration] = real.declarations ?? []
  if (declaration === undefined) return ''
  const docs = block(docsOf(real, checker))
  if (ts.isClassDeclaration(declaration)) {
    const statics = methodsOf(checker.getTypeOfSymbolAtLocation(real, declaration), checker, declaration)
    const methods = methodsOf(checker.getDeclaredTypeOfSymbol(real), checker, declaration)
    const list = [...statics.map((m) => ({ ...m, name: `${symbol.name}.${m.name}` })), ...methods]
    const parts = list.map(({ name, text, docs: own }) => `#### ${name}\n\n\`\`\`ts\n${text}\n\`\`\`\n\n${block(own)}`)
    return `### ${symbol.name}\n\n${docs}\n${parts.join('\n')}`
  }
  const isType = ts.isTypeAliasDeclaration(declaration) || ts.isInterfaceDeclaration(declaration)
  const text = isType
    ? sourceOf(declaration)
    : `${symbol.name}: ${checker.typeToString(checker.getTypeOfSymbolAtLocation(real, declaration), undefined, FORMAT)}`
  return `### ${symbol.name}\n\n${docs}\n\`\`\`ts\n${shortened(text)}\n\`\`\`\n`
}

/** One section a name, classes and functions before types. */
export const apiText = (): string => {
  const file = join(ROOT, 'src/index.ts')
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as { config: object }
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  const program = ts.createProgram([file, join(ROOT, 'src/globals.d.ts')], { ...options, noEmit: true })
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(file)
  const module = source === undefined ? undefined : checker.getSymbolAtLocation(source)
  if (module === undefined) throw new Error('src/index.ts has no exports')
  const exported = checker.getExportsOfModule(module)
  const isValue = (symbol: ts.Symbol): boolean => {
    const real = (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)
    return (real.flags & ts.SymbolFlags.Value) !== 0
  }
  const byName = (a: ts.Symbol, b: ts.Symbol): number => (a.name < b.name ? -1 : 1)
  const values = exported.filter(isValue).sort(byName)
  const types = exported.filter((s) => !isValue(s)).sort(byName)
  const sections = (list: ts.Symbol[]): string => list.map((symbol) => describe(symbol, checker)).join('\n')
  return `## Functions and classes\n\n${sections(values)}\n## Types\n\n${sections(types)}`
}
