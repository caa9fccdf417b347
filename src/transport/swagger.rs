//! The API page (`swagger.*`): Swagger UI's own files around [`openapi`]. Nothing is fetched from another host: the files
//! come out of the binary, and the page's policy forbids the browser to look elsewhere.

use super::{Answer, trimmed};
use crate::api::openapi as api;
use crate::config::settings::Settings;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::OnceLock;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

/// One path below the prefix.
struct File {
    path: &'static str,
    content_type: &'static str,
    source: Source,
}

/// What stands there.
enum Source {
    /// The way to the page: its links are relative to a path that ends with a slash.
    Redirect,
    /// The page.
    Page,
    /// What starts Swagger UI.
    Initializer,
    /// A file of Swagger UI, by its path in the archive.
    Archive(&'static str),
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

const fn file(path: &'static str, content_type: &'static str, source: Source) -> File {
    File { path, content_type, source }
}

const FILES: &[File] = &[
    file("", HTML, Source::Redirect),
    file("/", HTML, Source::Page),
    file("/index.html", HTML, Source::Page),
    file("/swagger-initializer.js", SCRIPT, Source::Initializer),
    file("/swagger-ui-bundle.js", SCRIPT, Source::Archive("dist/swagger-ui-bundle.js")),
    file("/swagger-ui.css", "text/css; charset=utf-8", Source::Archive("dist/swagger-ui.css")),
    file("/favicon-16x16.png", "image/png", Source::Archive("dist/favicon-16x16.png")),
    file("/favicon-32x32.png", "image/png", Source::Archive("dist/favicon-32x32.png")),
    file("/LICENSE", TEXT, Source::Archive("LICENSE")),
    file("/NOTICE", TEXT, Source::Archive("NOTICE")),
];

const PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<title>Corecast server API</title>
<link rel="stylesheet" href="swagger-ui.css">
<link rel="icon" type="image/png" href="favicon-32x32.png" sizes="32x32">
<link rel="icon" type="image/png" href="favicon-16x16.png" sizes="16x16">
</head>
<body>
<div id="swagger-ui"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="swagger-initializer.js"></script>
</body>
</html>
"#;

/// Swagger UI sets styles by script and has its icons as data; everything else comes from this server.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";

/// The paths of the page, as they continue the prefix.
pub fn paths() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|file| file.path)
}

/// The answer to a path below `swagger.handler_prefix`.
pub fn answer(path_below_prefix: &str, method: &str, settings: &Settings) -> Answer {
    let Some(file) = FILES.iter().find(|file| file.path == path_below_prefix) else { return Answer::not_found() };
    if !is_read(method) {
        return not_allowed();
    }
    let prefix = trimmed(&settings.swagger.handler_prefix);
    let body = match file.source {
        Source::Redirect => {
            // Relative: it holds behind a proxy that adds a prefix.
            let name = prefix.rsplit('/').next().unwrap_or_default();
            return Answer { fields: vec![("Location", format!("{name}/"))], ..Answer::empty(301) };
        }
        Source::Page => PAGE.as_bytes().to_vec(),
        Source::Initializer => initializer(&prefix).into_bytes(),
        Source::Archive(name) => unpacked(name).to_vec(),
    };
    let mut fields = vec![("X-Content-Type-Options", "nosniff".to_string())];
    if matches!(file.source, Source::Page) {
        fields.push(("Content-Security-Policy", POLICY.into()));
    }
    Answer { status: 200, content_type: Some(file.content_type), fields, body }
}

/// The answer to `/openapi.json`.
pub fn openapi(method: &str, settings: &Settings) -> Answer {
    if !is_read(method) {
        return not_allowed();
    }
    let prefix = settings.http_api.handler_prefix.trim_end_matches('/');
    Answer::json(200, api::document(prefix).into_bytes())
}

fn is_read(method: &str) -> bool {
    matches!(method, "GET" | "HEAD")
}

fn not_allowed() -> Answer {
    Answer { fields: vec![("Allow", "GET, HEAD".into())], ..Answer::empty(405) }
}

/// The document stands at the root of the server, which is as many levels up as the prefix has parts.
fn initializer(prefix: &str) -> String {
    let up = "../".repeat(prefix.split('/').filter(|part| !part.is_empty()).count());
    format!(
        "window.onload = () => {{\n  window.ui = SwaggerUIBundle({{\n    url: '{up}openapi.json',\n    \
         dom_id: '#swagger-ui',\n    deepLinking: true,\n    validatorUrl: null,\n  }});\n}};\n"
    )
}

/// A file of Swagger UI. The archive is opened once per process, by the first who looks at the page.
fn unpacked(name: &str) -> &'static [u8] {
    static UNPACKED: OnceLock<BTreeMap<&'static str, Vec<u8>>> = OnceLock::new();
    UNPACKED.get_or_init(unpack).get(name).map_or(&[], Vec::as_slice)
}

fn unpack() -> BTreeMap<&'static str, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED)).expect("the archive of the binary");
    // Everything in it lies in one folder that is named after the version.
    let folder = archive.file_names().next().and_then(|name| name.split('/').next()).unwrap_or_default().to_string();
    let mut read = |name: &'static str| {
        let mut file = archive.by_name(&format!("{folder}/{name}")).expect("a file of Swagger UI");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("a whole file");
        (name, bytes)
    };
    let names = FILES.iter().filter_map(|file| if let Source::Archive(name) = file.source { Some(name) } else { None });
    names.map(&mut read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Answer {
        answer(path, "GET", &Settings::default())
    }

    fn text(answer: &Answer) -> &str {
        std::str::from_utf8(&answer.body).expect("text")
    }

    #[test]
    fn the_page_and_everything_it_names_are_there() {
        let page = get("/");
        for name in text(&page).split(['"']).filter(|part| part.ends_with(".js") || part.ends_with(".css")) {
            let named = get(&format!("/{name}"));
            assert_eq!(named.status, 200, "{name}");
            assert!(!named.body.is_empty(), "{name}");
        }
        for file in FILES.iter().filter(|file| !file.path.is_empty()) {
            let answer = get(file.path);
            assert_eq!((answer.status, answer.content_type), (200, Some(file.content_type)), "{}", file.path);
            assert!(answer.fields.contains(&("X-Content-Type-Options", "nosniff".into())), "{}", file.path);
            assert!(!answer.body.is_empty(), "{}", file.path);
        }
        assert!(get("/swagger-ui-bundle.js").body.len() > 1_000_000);
    }

    #[test]
    fn no_foreign_host_is_named() {
        for path in ["/", "/swagger-initializer.js"] {
            let answer = get(path);
            assert!(!text(&answer).contains("//"), "{path}");
        }
        assert!(get("/").fields.iter().any(|(name, value)| *name == "Content-Security-Policy" && value == POLICY));
    }

    #[test]
    fn the_prefix_alone_leads_to_the_page() {
        let location = |prefix: &str| {
            let mut settings = Settings::default();
            settings.swagger.handler_prefix = prefix.into();
            answer("", "GET", &settings).fields
        };
        assert_eq!(location("/swagger"), [("Location", "swagger/".into())]);
        assert_eq!(location("/docs/api/"), [("Location", "api/".into())]);
    }

    #[test]
    fn the_document_is_found_from_any_prefix() {
        let url = |prefix: &str| initializer(prefix).split('\'').nth(1).map(str::to_string).expect("a URL");
        assert_eq!(
            [url("/swagger"), url("/docs/api"), url("/")],
            ["../openapi.json", "../../openapi.json", "openapi.json"]
        );
    }

    #[test]
    fn nothing_but_reading_is_allowed() {
        let settings = Settings::default();
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            assert_eq!(answer("/", method, &settings).status, 405);
            assert_eq!(openapi(method, &settings).status, 405);
        }
        assert_eq!(answer("/", "HEAD", &settings).status, 200);
        assert_eq!(get("/../secret").status, 404);
    }

    #[test]
    fn the_document_names_the_prefix_of_the_api() {
        let mut settings = Settings::default();
        settings.http_api.handler_prefix = "/x/api/".into();
        let answer = openapi("GET", &settings);
        assert_eq!(answer.content_type, Some("application/json"));
        assert!(text(&answer).contains(r#""servers":[{"url":"/x/api"}]"#));
    }
}
