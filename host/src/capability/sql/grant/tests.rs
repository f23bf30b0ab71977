//! Tables of what a grant allows and how it is written.

use super::*;

fn grant(text: &str) -> Grant {
    toml::from_str(text).unwrap()
}

fn table(name: &str) -> TableName {
    match name.split_once('.') {
        Some((schema, name)) => TableName { schema: Some(schema.into()), name: name.into() },
        None => TableName { schema: None, name: name.into() },
    }
}

const SLOT: SlotName<'static> = SlotName::flag("sql", "database");
const POSTGRES: &str = "postgres://u:hunter2@h:5433/shop?sslmode=require";

#[test]
fn the_default_denies_everything() {
    let grant = Grant::default();
    assert!(grant.allows_read(SLOT).is_err());
    assert!(grant.allows_write(SLOT, &[]).is_err());
    assert!(grant.allows_write(SLOT, &[table("t")]).is_err());
    assert!(grant.allows_maintain(SLOT, None).is_err());
    assert!(grant.allows_maintain(SLOT, Some(&table("t"))).is_err());
    assert!(grant.allows_scratch(SLOT).is_err());
    assert!(grant.functions().is_empty() && grant.words().is_empty() && grant.check().is_err());
}

#[test]
fn each_access_allows_its_own_and_nothing_else() {
    for word in Access::WORDS {
        let grant = grant(&format!("target='{POSTGRES}'\naccess=['{word}']\ntable='t'"));
        let allowed = [
            grant.allows_read(SLOT).is_ok(),
            grant.allows_write(SLOT, &[table("t")]).is_ok(),
            grant.allows_maintain(SLOT, Some(&table("t"))).is_ok(),
            grant.allows_scratch(SLOT).is_ok(),
        ];
        assert_eq!(allowed, [*word == "read", *word == "write", *word == "maintain", *word == "scratch"], "{word}");
        assert_eq!(grant.words(), [*word]);
    }
}

#[test]
fn a_table_is_granted_by_its_own_name_in_its_own_schema() {
    for (target, granted, asked, allowed) in [
        (POSTGRES, "orders", "orders", true),
        (POSTGRES, "orders", "public.orders", true),
        (POSTGRES, "public.orders", "orders", true),
        (POSTGRES, "orders", "audit.orders", false),
        (POSTGRES, "audit.orders", "orders", false),
        (POSTGRES, "audit.orders", "audit.orders", true),
        (POSTGRES, "Orders", "orders", false),
        (POSTGRES, "orders", "Orders", false),
        (POSTGRES, "log_*", "log_2026", true),
        (POSTGRES, "log_*", "logs", false),
        (POSTGRES, "audit.*", "audit.orders", true),
        (POSTGRES, "audit.*", "orders", false),
        (POSTGRES, "*", "audit.orders", false),
        (POSTGRES, "*.*", "audit.orders", true),
        (POSTGRES, "*.*", "pg_catalog.pg_class", false),
        (POSTGRES, "*.*", "pg_class", false),
        (POSTGRES, "*.*", "information_schema.sql_features", false),
        (POSTGRES, "*_log_*_old", "a_log_b_old", true),
        (POSTGRES, "*_log_*_old", "a_log_old", false),
        ("mysql://h/shop", "orders", "shop.orders", true),
        ("mysql://h/shop", "shop.orders", "orders", true),
        ("mysql://h/shop", "orders", "other.orders", false),
        ("mysql://h/shop", "*.*", "mysql.user", false),
        ("mysql://h/mysql", "*", "user", false),
        ("sqlite:a.db", "Orders", "oRDERS", true),
        ("sqlite:a.db", "orders", "main.orders", true),
        ("sqlite:a.db", "orders", "temp.orders", false),
        ("sqlite:a.db", "*", "sqlite_schema", false),
    ] {
        let grant = grant(&format!("target='{target}'\naccess=['write','maintain']\ntable='{granted}'"));
        let name = table(asked);
        assert_eq!(grant.allows_write(SLOT, std::slice::from_ref(&name)).is_ok(), allowed, "{granted} for {asked}");
        assert_eq!(grant.allows_maintain(SLOT, Some(&name)).is_ok(), allowed, "{granted} for {asked}");
    }
}

#[test]
fn every_table_of_a_statement_must_be_granted() {
    let grant = grant(&format!("target='{POSTGRES}'\naccess=['write']\ntable=['a','b']"));
    assert!(grant.allows_write(SLOT, &[table("a"), table("b")]).is_ok());
    assert_eq!(
        grant.allows_write(SLOT, &[table("a"), table("c")]).unwrap_err().to_string(),
        "the grant names no table `c` for write; add `,table=c` to --sql database=..."
    );
}

#[test]
fn upkeep_reaches_all_tables_unless_the_grant_names_some() {
    let all = grant(&format!("target='{POSTGRES}'\naccess=['maintain']"));
    assert!(all.allows_maintain(SLOT, None).is_ok() && all.allows_maintain(SLOT, Some(&table("x.y"))).is_ok());
    let some = grant(&format!("target='{POSTGRES}'\naccess=['maintain']\ntable='a'"));
    assert!(some.allows_maintain(SLOT, None).unwrap_err().to_string().contains("whole database"));
}

#[test]
fn a_bad_grant_is_named_with_the_way_out() {
    for (text, expected) in [
        ("target='redis://h'", "is no database"),
        ("target='/var/lib/app.db'", "is no database"),
        ("target='postgres://u:hunter2@h'", "names no database"),
        ("target='postgres://u:hunter2@h:port/d'", "malformed"),
        ("target='sqlite:'", "write it as sqlite:PATH"),
        ("target='sqlite::memory:'", "write it as sqlite:PATH"),
        ("target='sqlite:a.db'\nca='x'", "ca= is for servers"),
        ("target='mysql:///d'", "no host"),
        ("target='mysql://h/mysql'", "holds passwords"),
        ("target='postgres://u:hunter2@h/d?sslmode=maybe'", "sslmode is one of"),
        ("target='postgres://h/d'\nlock-timeout='0s'", "lock-timeout=0"),
        ("target='postgres://h/d'\ntable='t'", "add `,write`"),
        ("target='postgres://h/d'\naccess=['write']\ntable='a.b.c'", "table=SCHEMA.NAME"),
        ("target='postgres://h/d'\nfunction=''", "function=SCHEMA.NAME"),
    ] {
        let message = grant(text).check().unwrap_err();
        assert!(message.contains(expected) && !message.contains("hunter2"), "{text}: {message}");
    }
    assert!(toml::from_str::<Grant>("target='x'\ntables='t'").is_err(), "an unknown setting");
    assert!(toml::from_str::<Grant>("access=['read']").is_err(), "no target");
}

#[test]
fn a_flag_makes_a_grant() {
    let room = crate::capability::room("sql").unwrap();
    let flag = "d=postgres://h/d,write,table=a,table=b.c,function=f,lock-timeout=2s,statement-timeout=1h,ca=/r.pem";
    let (_, binding) =
        crate::capability::Binding::parse(room, flag, |_| None, |_| Err(std::io::ErrorKind::NotFound.into())).unwrap();
    let mut settings = binding.settings;
    settings.insert("target".into(), binding.target.expose().into());
    let grant: Grant = settings.try_into().unwrap();
    assert_eq!(grant.check(), Ok(()));
    assert_eq!(grant.table.0, ["a", "b.c"]);
    assert_eq!(grant.functions(), ["f"]);
    assert_eq!(grant.ca(), Some(Path::new("/r.pem")));
    assert_eq!(grant.lock_timeout(), Duration::from_secs(2));
    assert_eq!(grant.maintenance_timeout(), Some(Duration::from_hours(1)));
    assert_eq!(grant.tls(), Ok(Tls::VerifyFull), "a root to trust is there to be checked against");
}

#[test]
fn times_are_always_bounded_except_for_upkeep() {
    let grant = grant("target='sqlite:a.db'");
    assert_eq!(grant.lock_timeout(), Duration::from_secs(5));
    assert_eq!(grant.statement_timeout(), Duration::from_mins(10));
    assert_eq!(grant.maintenance_timeout(), None);
}

#[test]
fn a_target_is_shown_without_its_password_and_options() {
    for (target, shown) in [
        (POSTGRES, "postgres://u@h:5433/shop"),
        ("mariadb://root:p%40ss@db/shop?ssl-mode=DISABLED", "mariadb://root@db/shop"),
        ("postgres://%2Fvar%2Frun/d", "postgres://%2Fvar%2Frun/d"),
        ("sqlite:///srv/app.db", "sqlite:/srv/app.db"),
        ("sqlite:app.db", "sqlite:app.db"),
        ("postgres://u:hunter2@h:x/d", "an unreadable target"),
    ] {
        assert_eq!(grant(&format!("target='{target}'")).shown_target(), shown);
    }
    assert!(!format!("{:?}", grant(&format!("target='{POSTGRES}'"))).contains("hunter2"));
}

#[test]
fn the_urls_word_decides_tls() {
    for (target, tls) in [
        ("postgres://h/d", Tls::Prefer),
        (POSTGRES, Tls::Require),
        ("postgres://h/d?sslmode=verify-full", Tls::VerifyFull),
        ("mysql://h/d?ssl-mode=VERIFY_CA", Tls::VerifyCa),
        ("mysql://h/d?ssl-mode=DISABLED", Tls::Disable),
    ] {
        assert_eq!(grant(&format!("target='{target}'")).tls(), Ok(tls), "{target}");
    }
}
