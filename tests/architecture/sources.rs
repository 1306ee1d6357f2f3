//! Reads a crate's sources and tells what each path in them leads to.
//!
//! Paths are taken from everywhere: `use` trees, types, expressions, patterns, attributes' strings, and (as far as
//! tokens tell) macros. They are followed through `crate`, `self`, `super`, renames, globs and re-exports to the module
//! that owns the item, or out of the crate.

use std::collections::{BTreeMap, BTreeSet};

use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::visit::{self, Visit};

/// A path's segments. A first segment that is empty stands for a leading `::`.
pub(crate) type Path = Vec<String>;

/// Where a path leads.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Target {
    /// To an item or module of the crate itself, from its root on.
    Own(Path),
    /// To another crate, whose name comes first.
    Other(Path),
}

/// A path as it was found.
pub(crate) struct Reference {
    pub(crate) file: String,
    /// The module that it stands in.
    pub(crate) module: Path,
    pub(crate) path: Path,
    /// Whether it is compiled for tests only.
    pub(crate) is_test: bool,
}

/// A crate's modules and what they mention.
#[derive(Default)]
pub(crate) struct Sources {
    modules: BTreeMap<Path, Module>,
    references: Vec<Reference>,
    test_modules: BTreeSet<Path>,
    /// What would lead this reader astray, by file.
    pub(crate) oddities: Vec<String>,
}

/// Names that a module brings into scope, apart from its items.
#[derive(Default)]
struct Module {
    children: BTreeSet<String>,
    imports: BTreeMap<String, Vec<Path>>,
    globs: Vec<Path>,
}

impl Sources {
    /// Reads files, each a path below the crate's `src/` and its text.
    pub(crate) fn read(files: &[(String, String)]) -> Sources {
        let mut sources = Sources::default();
        for (file, text) in files {
            let module = module_of(file);
            for depth in 0..module.len() {
                let parent = sources.modules.entry(module[..depth].to_vec()).or_default();
                parent.children.insert(module[depth].clone());
            }
            sources.modules.entry(module.clone()).or_default();
            let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
            Reader { sources: &mut sources, file, module, is_test: false }.visit_file(&syntax);
        }
        sources
    }

    /// All paths, with what they lead to.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (&Reference, Target)> {
        self.references.iter().flat_map(|reference| {
            self.resolve(&reference.module, &reference.path, 0).into_iter().map(move |target| (reference, target))
        })
    }

    /// Whether a reference is compiled for tests only, by itself or with its file.
    pub(crate) fn is_test(&self, reference: &Reference) -> bool {
        reference.is_test || self.test_modules.iter().any(|module| reference.module.starts_with(module))
    }

    /// The modules directly below the root.
    pub(crate) fn top_modules(&self) -> BTreeSet<String> {
        self.modules.get(&Path::new()).map(|root| root.children.clone()).unwrap_or_default()
    }

    fn resolve(&self, at: &[String], path: &[String], depth: usize) -> BTreeSet<Target> {
        let Some((first, rest)) = path.split_first() else { return BTreeSet::new() };
        match first.as_str() {
            "" => BTreeSet::from([Target::Other(rest.to_vec())]),
            "crate" => self.walk(&[], rest, depth),
            "self" | "super" => self.walk(at, path, depth),
            _ if self.knows(at, first, depth) => self.walk(at, path, depth),
            // What no module knows is a crate, or a type or variable of the place itself.
            _ if first.starts_with(|c: char| c.is_ascii_lowercase()) => BTreeSet::from([Target::Other(path.to_vec())]),
            _ => BTreeSet::from([Target::Own([at, path].concat())]),
        }
    }

    /// Follows a path from a module on.
    fn walk(&self, at: &[String], path: &[String], depth: usize) -> BTreeSet<Target> {
        const MAX_DEPTH: usize = 32;
        let Some((first, rest)) = path.split_first() else { return BTreeSet::from([Target::Own(at.to_vec())]) };
        let here = || BTreeSet::from([Target::Own([at, path].concat())]);
        if depth > MAX_DEPTH {
            return here();
        }
        if first == "self" {
            return self.walk(at, rest, depth);
        }
        if first == "super" {
            return self.walk(&at[..at.len().saturating_sub(1)], rest, depth);
        }
        let Some(module) = self.modules.get(at) else { return here() };
        if module.children.contains(first) {
            return self.walk(&[at, std::slice::from_ref(first)].concat(), rest, depth);
        }
        if let Some(imports) = module.imports.get(first) {
            return imports.iter().flat_map(|import| self.follow(at, import, first, rest, depth)).collect();
        }
        let through_globs: BTreeSet<Target> = self
            .glob_modules(at, depth)
            .into_iter()
            .filter(|target| target != at && self.knows(target, first, depth + 1))
            .flat_map(|target| self.walk(&target, path, depth + 1))
            .collect();
        if through_globs.is_empty() { here() } else { through_globs }
    }

    /// Continues behind `use import`, which brought `name` into scope.
    fn follow(&self, at: &[String], import: &[String], name: &str, rest: &[String], depth: usize) -> BTreeSet<Target> {
        let path = [import, rest].concat();
        // `use rand;` and the like name a crate, not themselves.
        if import[0] == name { BTreeSet::from([Target::Other(path)]) } else { self.resolve(at, &path, depth + 1) }
    }

    /// Whether a name is a child module or an import of a module, directly or by a glob.
    fn knows(&self, at: &[String], name: &str, depth: usize) -> bool {
        const MAX_DEPTH: usize = 8;
        let Some(module) = self.modules.get(at) else { return false };
        module.children.contains(name)
            || module.imports.contains_key(name)
            || (depth < MAX_DEPTH
                && self.glob_modules(at, depth).iter().any(|glob| glob != at && self.knows(glob, name, depth + 1)))
    }

    /// The modules of the crate that a module imports with `*`.
    fn glob_modules(&self, at: &[String], depth: usize) -> Vec<Path> {
        let globs = self.modules.get(at).map(|module| module.globs.as_slice()).unwrap_or_default();
        let is_self_named =
            |glob: &&Path| !glob.is_empty() && (glob[0] == "crate" || glob[0] == "super" || glob[0] == "self");
        let own = globs.iter().filter(|glob| is_self_named(glob) || self.names_child(at, glob));
        own.flat_map(|glob| self.resolve_module(at, glob, depth)).collect()
    }

    fn names_child(&self, at: &[String], path: &[String]) -> bool {
        self.modules.get(at).is_some_and(|module| path.first().is_some_and(|first| module.children.contains(first)))
    }

    fn resolve_module(&self, at: &[String], path: &[String], depth: usize) -> Vec<Path> {
        const MAX_DEPTH: usize = 8;
        if depth > MAX_DEPTH {
            return Vec::new();
        }
        let start =
            if path[0] == "crate" { self.walk(&[], &path[1..], depth + 1) } else { self.walk(at, path, depth + 1) };
        let own = start.into_iter().filter_map(|target| match target {
            Target::Own(module) => self.modules.contains_key(&module).then_some(module),
            Target::Other(_) => None,
        });
        own.collect()
    }
}

/// `pbft/log.rs` is the module `pbft::log`, `pbft/mod.rs` is `pbft`, `lib.rs` and `main.rs` are the root.
fn module_of(file: &str) -> Path {
    let mut module: Path = file.trim_end_matches(".rs").split('/').map(str::to_string).collect();
    if module.last().is_some_and(|last| last == "mod") || ["lib", "main"].contains(&module.join("/").as_str()) {
        module.pop();
    }
    module
}

/// Walks one file.
struct Reader<'s> {
    sources: &'s mut Sources,
    file: &'s str,
    module: Path,
    is_test: bool,
}

impl Reader<'_> {
    fn record(&mut self, path: Path) {
        let (file, module, is_test) = (self.file.to_string(), self.module.clone(), self.is_test);
        self.sources.references.push(Reference { file, module, path, is_test });
    }

    fn oddity(&mut self, what: &str) {
        self.sources.oddities.push(format!("{}: {what} hides from this test what is compiled where", self.file));
    }

    fn scope(&mut self) -> &mut Module {
        self.sources.modules.entry(self.module.clone()).or_default()
    }

    fn use_tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [prefix, &[name.unraw().to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.use_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.use_tree(prefix, tree)),
            syn::UseTree::Glob(_) => {
                self.scope().globs.push(prefix.to_vec());
                self.record([prefix, &["*".to_string()]].concat());
            }
            syn::UseTree::Name(name) if name.ident == "self" => self.bind(prefix.to_vec(), prefix.last().cloned()),
            syn::UseTree::Rename(rename) if rename.ident == "self" => {
                self.bind(prefix.to_vec(), Some(rename.rename.unraw().to_string()));
            }
            syn::UseTree::Name(name) => self.bind(with(&name.ident), Some(name.ident.unraw().to_string())),
            syn::UseTree::Rename(rename) => self.bind(with(&rename.ident), Some(rename.rename.unraw().to_string())),
        }
    }

    fn bind(&mut self, path: Path, name: Option<String>) {
        if let Some(name) = name {
            self.scope().imports.entry(name).or_default().push(path.clone());
        }
        self.record(path);
    }

    /// Records what looks like a path among tokens, `prefix` before each.
    fn tokens(&mut self, input: ParseStream<'_>, prefix: &[String]) -> syn::Result<()> {
        while !input.is_empty() {
            if input.peek(syn::Ident::peek_any) {
                self.token_path(input, prefix)?;
            } else if input.peek(syn::LitStr) {
                self.quoted(&input.parse::<syn::LitStr>()?.value());
            } else if input.peek(syn::token::Brace) {
                let inner;
                syn::braced!(inner in input);
                self.tokens(&inner, prefix)?;
            } else if input.peek(syn::token::Paren) {
                let inner;
                syn::parenthesized!(inner in input);
                self.tokens(&inner, &[])?;
            } else if input.peek(syn::token::Bracket) {
                let inner;
                syn::bracketed!(inner in input);
                self.tokens(&inner, &[])?;
            } else {
                input.step(|cursor| {
                    cursor.token_tree().map(|(_, rest)| ((), rest)).ok_or_else(|| cursor.error("a token"))
                })?;
            }
        }
        Ok(())
    }

    fn token_path(&mut self, input: ParseStream<'_>, prefix: &[String]) -> syn::Result<()> {
        let mut path = prefix.to_vec();
        loop {
            path.push(input.call(syn::Ident::parse_any)?.unraw().to_string());
            if !input.peek(syn::Token![::]) {
                break;
            }
            input.parse::<syn::Token![::]>()?;
            if input.peek(syn::token::Brace) {
                let inner;
                syn::braced!(inner in input);
                self.tokens(&inner, &path)?;
                break;
            }
            if !input.peek(syn::Ident::peek_any) {
                break;
            }
        }
        if path.len() > 1 {
            self.record(path);
        }
        Ok(())
    }

    /// Records a path that stands in a string, as in `deserialize_with = "wire::at_most::<_, _, 64>"`.
    fn quoted(&mut self, text: &str) {
        if let Ok(path) = syn::parse_str::<syn::Path>(text)
            && path.segments.len() > 1
        {
            self.visit_path(&path);
        }
    }

    fn within(&mut self, attributes: &[syn::Attribute], visit: impl FnOnce(&mut Self)) {
        let before = self.is_test;
        self.is_test |= attributes.iter().any(is_cfg_test);
        visit(self);
        self.is_test = before;
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        self.within(attributes_of(item), |reader| visit::visit_item(reader, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.within(&item.attrs, |reader| visit::visit_impl_item_fn(reader, item));
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
            self.oddity("#[path]");
        }
        let name = item.ident.unraw().to_string();
        self.scope().children.insert(name.clone());
        self.module.push(name);
        self.scope();
        if self.is_test {
            self.sources.test_modules.insert(self.module.clone());
        }
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let prefix = if item.leading_colon.is_some() { vec![String::new()] } else { Vec::new() };
        self.use_tree(&prefix, &item.tree);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        let name = item.rename.as_ref().map_or(&item.ident, |(_, rename)| rename).unraw().to_string();
        self.bind(vec![String::new(), item.ident.unraw().to_string()], Some(name));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments: Path = path.segments.iter().map(|segment| segment.ident.unraw().to_string()).collect();
        if path.leading_colon.is_some() {
            segments.insert(0, String::new());
        }
        // A lone lower-case word is a variable, a function or a macro; if it was imported, its `use` is on record.
        if segments.len() > 1 || segments[0].starts_with(|c: char| c.is_ascii_uppercase()) {
            self.record(segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        match &attribute.meta {
            syn::Meta::List(list) => {
                let tokens = list.tokens.clone();
                let scan = |input: ParseStream<'_>| self.tokens(input, &[]);
                scan.parse2(tokens).expect("tokens can be walked");
            }
            // Documentation may mention what code may not.
            syn::Meta::NameValue(pair) if !pair.path.is_ident("doc") => visit::visit_meta_name_value(self, pair),
            _ => {}
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.segments.last().is_some_and(|last| last.ident == "include") {
            self.oddity("include!");
        }
        self.visit_path(&call.path);
        let tokens = call.tokens.clone();
        let scan = |input: ParseStream<'_>| self.tokens(input, &[]);
        scan.parse2(tokens).expect("tokens can be walked");
    }
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    let condition = list.tokens.to_string().replace(' ', "");
    attribute.path().is_ident("cfg") && (condition == "test" || condition.starts_with("all(test,"))
}

fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
