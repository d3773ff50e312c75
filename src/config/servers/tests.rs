//! Configurations as servers have them, followed and chosen from.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

struct Etc(tempfile::TempDir);

impl Etc {
    fn new(files: &[(&str, &str)]) -> Etc {
        let etc = Etc(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = etc.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        etc
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn choose(&self, file: &str, name: Option<&str>, glob: &str) -> Result<Choice, Problem> {
        log_format(&self.path(file), name, &[glob.to_owned()])
    }
}

fn nginx(text: &str) -> Choice {
    Choice::TemplateOf(Syntax::Nginx, text.to_owned())
}

const NGINX: &str = "user www-data;\nhttp { # log_format no '$x';\n  log_format main '$remote_addr \"$request\"'\n   ' $status;';\n  access_log /var/log/nginx/access.log main;\n  include conf.d/*.conf;\n  include /nowhere/*.conf;\n}\n";
const SITE: &str = "log_format j escape=json '{\"a\":\"$b\"}';\nserver { listen 80;\n  access_log \"/var/log/nginx/$host-api.log\" j buffer=64k;\n  access_log /var/log/nginx/plain.log buffer=32k;\n access_log off; access_log syslog:server=x main;\n include nginx.conf; }\n";

#[test]
fn the_format_is_that_of_the_log_which_the_source_reads() {
    let etc = Etc::new(&[
        ("nginx/nginx.conf", NGINX),
        ("nginx/conf.d/site.conf", SITE),
        ("nginx/conf.d/x.txt", "log_format t '$y';"),
    ]);
    let choose = |name, glob| etc.choose("nginx/nginx.conf", name, glob);
    let main = "log_format main '$remote_addr \"$request\"'\n   ' $status;';";
    assert_eq!(choose(None, "/var/log/nginx/access.log*"), Ok(nginx(main)));
    assert_eq!(choose(None, "/var/log/nginx/shop-api.log"), Ok(nginx("log_format j escape=json '{\"a\":\"$b\"}';")));
    assert_eq!(choose(None, "/var/log/nginx/plain.log"), Ok(Choice::Template("combined".to_owned())));
    assert_eq!(choose(Some("main"), "/elsewhere"), Ok(nginx(main)));
    assert_eq!(choose(Some("combined"), "/elsewhere"), Ok(Choice::Template("combined".to_owned())));

    let (message, help) = choose(None, "/elsewhere/x.log").unwrap_err();
    assert!(message.contains("2 log formats") && message.contains("none of this source's files"), "{message}");
    assert!(
        help.contains("log_format_name") && help.contains("\"main\" (") && help.contains("nginx.conf:3)"),
        "{help}"
    );
    assert!(help.contains("site.conf:1)") && help.contains("/var/log/nginx/plain.log"), "{help}");
    let (message, help) = choose(Some("mian"), "/x").unwrap_err();
    assert!(message.contains("\"mian\"") && help.contains("\"j\""), "{message} {help}");
    let (message, help) = choose(None, "/var/log/nginx/*.log").unwrap_err();
    assert!(
        message.contains("3 formats") && help.contains("\"combined\"") && help.contains("a source of each"),
        "{message} {help}"
    );
}

#[test]
fn files_that_cannot_be_used_are_said() {
    let etc = Etc::new(&[
        ("empty.conf", "http { include a.conf; }"),
        ("a.conf", "include empty.conf; server { }"),
        ("undefined.conf", "access_log /x/a.log nick;"),
        ("missing.conf", "include gone.conf;"),
    ]);
    let (message, help) = etc.choose("empty.conf", None, "/x").unwrap_err();
    assert!(message.contains("has no log format") && help.contains("2 files were read"), "{message} {help}");
    let (message, _) = etc.choose("undefined.conf", None, "/x/a.log").unwrap_err();
    assert!(message.contains("undefined.conf:1") && message.contains("\"nick\""), "{message}");
    let (message, _) = etc.choose("missing.conf", None, "/x").unwrap_err();
    assert!(message.contains("gone.conf: there is no such file"), "{message}");
    let (message, _) = etc.choose("none.conf", None, "/x").unwrap_err();
    assert!(message.contains("there is no such file"), "{message}");
}

#[test]
fn includes_are_bounded() {
    let mut files: Vec<(String, String)> =
        (0..40).map(|n| (format!("{n}.conf"), format!("include {}.conf; log_format f{n} '$status';", n + 1))).collect();
    files.push(("40.conf".to_owned(), String::new()));
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let etc = Etc::new(&files);
    let (_, help) = etc.choose("0.conf", Some("f39"), "/x").unwrap_err();
    assert!(help.contains("\"f16\"") && !help.contains("f17"), "{help}");
    let many: Vec<(String, String)> = (0..600).map(|n| (format!("d/{n}.conf"), "# nothing\n".to_owned())).collect();
    let mut files: Vec<(&str, &str)> = many.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    files.push(("main.conf", "include d/*.conf;"));
    let (message, _) = Etc::new(&files).choose("main.conf", None, "/x").unwrap_err();
    assert!(message.contains("more than 512 files"), "{message}");
}

#[test]
fn apache_is_followed_with_its_variables() {
    let etc = Etc::new(&[
        (
            "apache2/apache2.conf",
            "ServerRoot \"ROOT\"\nLogFormat \"%v:%p %h %l %u %t \\\"%r\\\" %>s %O\" vhost\nLogFormat \"%h %l \\\n %u %t\" split\n<IfModule x>\nLogFormat \"%h %t \\\"%r\\\" %>s\" mine\n</IfModule>\nIncludeOptional sites-enabled/*.conf\nInclude extra\n",
        ),
        ("apache2/envvars", "export APACHE_LOG_DIR=/srv/log$SUFFIX\n"),
        (
            "apache2/sites-enabled/a.conf",
            "Define site shop\n<VirtualHost *:80>\n CustomLog ${APACHE_LOG_DIR}/${site}-access.log mine\n customlog \"|/usr/bin/rotatelogs -l /srv/piped/access.%Y%m%d 86400\" vhost env=!x\n CustomLog /srv/own.log \"%h %t \\\"%r\\\" own\"\n CustomLog ${UNKNOWN}/any.log split\n</VirtualHost>\n",
        ),
        ("apache2/extra/b.conf", "LogFormat \"%t %h\"\nTransferLog logs/transfer.log\n"),
    ]);
    let main = etc.path("apache2/apache2.conf");
    let root = etc.path("apache2").to_string_lossy().into_owned();
    fs::write(&main, fs::read_to_string(&main).unwrap().replace("ROOT", &root)).unwrap();
    let choose = |glob: &str| etc.choose("apache2/apache2.conf", None, glob);
    let apache = |text: &str| Ok(Choice::TemplateOf(Syntax::Apache, text.to_owned()));
    assert_eq!(choose("/srv/log/shop-access.log*"), apache("LogFormat \"%h %t \\\"%r\\\" %>s\" mine"));
    assert_eq!(choose("/srv/piped/access.*"), apache("LogFormat \"%v:%p %h %l %u %t \\\"%r\\\" %>s %O\" vhost"));
    assert_eq!(choose("/srv/own.log"), Ok(Choice::Template("%h %t \"%r\" own".to_owned())));
    assert_eq!(choose("/anywhere/any.log"), apache("LogFormat \"%h %l  %u %t\" split"));
    assert_eq!(choose(&format!("{root}/logs/transfer.log")), Ok(Choice::Template("%t %h".to_owned())));
    assert_eq!(etc.choose("apache2/apache2.conf", Some("combined"), "/x"), Ok(Choice::Template("combined".to_owned())));
}

#[test]
fn other_servers_directives_are_found_on_their_lines() {
    for (text, syntax, name) in [
        ("frontend web\n  bind :80\n  log-format \"%ci:%cp [%tr] %ST %{+Q}r\"\n", Syntax::Haproxy, "web"),
        ("logformat mine %ts.%03tu %>a %>Hs %rm %ru\naccess_log /x mine\n", Syntax::Squid, "mine"),
        ("accesslog.format = \"%h %V %u %t \\\"%r\\\" %>s %b\"\n", Syntax::Lighttpd, "line 1"),
        ("bind = ':80'\naccess_log_format = '%(h)s %(t)s \"%(r)s\" %(s)s'\n", Syntax::Gunicorn, "line 2"),
        (
            "<Server>\n <Valve className=\"a\" pattern=\"%h %t &quot;%r&quot; %s\" />\n</Server>\n",
            Syntax::Tomcat,
            "line 2",
        ),
    ] {
        let etc = Etc::new(&[("x", text)]);
        let Choice::TemplateOf(found, pasted) = etc.choose("x", None, "/y").unwrap_or_else(|e| panic!("{text}: {e:?}"))
        else {
            panic!("{text}");
        };
        assert_eq!(found, syntax);
        assert!(
            crate::format::Template::with_syntax("x", Some(found), &pasted, crate::time::Zone::UTC).is_ok(),
            "{pasted}"
        );
        assert!(etc.choose("x", Some(name), "/y").is_ok(), "{name}");
    }
}

#[test]
fn wildcards_mean_files_by_name_and_no_hidden_ones() {
    let etc = Etc::new(&[("b/1.conf", ""), ("a/2.conf", ""), ("a/.3.conf", ""), ("a/4.txt", "")]);
    let found = reading::expand(&etc.path("*/*.conf"));
    assert_eq!(found, [etc.path("a/2.conf"), etc.path("b/1.conf")]);
    assert_eq!(reading::expand(Path::new("/no/such")), [PathBuf::from("/no/such")]);
}
