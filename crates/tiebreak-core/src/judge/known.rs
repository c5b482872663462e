//! What members are for, by their names: codes, messages, or nothing that tells the cause.

use std::sync::LazyLock;

use crate::judge::body::name::hash;

/// What a member is for, by its name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Known {
    Code,
    Message,
    Type,
    Skip,
}

/// Members that carry a machine code, as plain letters.
const CODES: &[&str] = &[
    "code",
    "errorcode",
    "errcode",
    "subcode",
    "suberrorcode",
    "errorsubcode",
    "error",
    "errors",
    "reason",
    "name",
    "category",
    "kind",
    "key",
    "scimtype",
    "issue",
    "codename",
    "errortype",
    "errorname",
    "exception",
    "exceptiontype",
    "class",
    "tag",
    "errorsummary",
    "slug",
    "errorid",
    "messagekey",
    "symbol",
    "symbolickey",
    "status",
    "result",
    "state",
    "id",
    "faultcode",
    "errorkey",
    "errcodename",
    "statuscode",
    "ename",
    "err",
    "rootcause",
    "innererror",
    "messagecode",
    "validation",
    "rule",
    "constraint",
    "errormsg",
    "codigo",
    "codice",
    "resultcode",
    "returncode",
    "businesscode",
];

/// Members that carry a message for people.
const MESSAGES: &[&str] = &[
    "message",
    "msg",
    "detail",
    "details",
    "title",
    "description",
    "errordescription",
    "errormessage",
    "errormessages",
    "fullmessages",
    "text",
    "info",
    "cause",
    "explanation",
    "usermessage",
    "messages",
    "developermessage",
    "debugmessage",
    "localizedmessage",
    "faultstring",
    "fault",
    "failure",
    "failures",
    "nonfielderrors",
    "base",
    "conflict",
    "displaymessage",
    "errordetail",
    "errordetails",
    "longmessage",
    "shortmessage",
    "mensaje",
    "mensagem",
    "meldung",
    "nachricht",
    "messaggio",
    "fehler",
    "erreur",
    "erro",
    "detalle",
    "detalhe",
    "melding",
    "komunikat",
    "warning",
    "warnings",
    "statusmessage",
    "statustext",
    "responsemessage",
    "data",
    "body",
    "content",
    "why",
    "output",
    "stderr",
    "exceptionmessage",
    "innerexception",
];

/// Members that say nothing about the cause: places, times, advice.
const SKIPPED: &[&str] = &[
    "hint",
    "suggestion",
    "action",
    "help",
    "resolution",
    "path",
    "instance",
    "url",
    "uri",
    "href",
    "docurl",
    "documentationurl",
    "moreinfo",
    "helpurl",
    "errorlink",
    "link",
    "links",
    "requestid",
    "hostid",
    "traceid",
    "correlationid",
    "debugid",
    "timestamp",
    "time",
    "date",
    "trace",
    "stack",
    "stacktrace",
    "docs",
    "apiversion",
    "requestlogurl",
    "version",
    "location",
    "locationtype",
    "domain",
    "method",
    "useragent",
    "schemas",
    "xmlns",
    "lang",
    "language",
];

/// How many places the table has: several times as many as there are names, so that most are found at once.
const PLACES: usize = 1024;

/// Hash of the name → what it is for; each name at the place of its hash, or after it where that is taken.
static KNOWN: LazyLock<Vec<Option<(u32, Known)>>> = LazyLock::new(|| {
    let all: [(&[&str], Known); 4] = [
        (CODES, Known::Code),
        (MESSAGES, Known::Message),
        (SKIPPED, Known::Skip),
        (&["type", "errortypeuri"], Known::Type),
    ];
    let mut table = vec![None; PLACES];
    for (names, known) in all {
        for name in names {
            let hash = hash(name.as_bytes());
            let free = places(hash).find(|at| table.get(*at).is_some_and(Option::is_none));
            if let Some(place) = free.and_then(|at| table.get_mut(at)) {
                *place = Some((hash, known));
            }
        }
    }
    table
});

/// Where a name may stand, the likeliest first.
fn places(hash: u32) -> impl Iterator<Item = usize> {
    let first = (hash ^ (hash >> 15)) as usize;
    (0..PLACES).map(move |step| (first + step) % PLACES)
}

/// What the member with this hash of a name is for, if that is known.
pub(crate) fn known(wanted: u32) -> Option<Known> {
    let table = &*KNOWN;
    for at in places(wanted) {
        match table.get(at).copied().flatten() {
            Some((hash, known)) if hash == wanted => return Some(known),
            Some(_) => {}
            None => return None,
        }
    }
    None
}
