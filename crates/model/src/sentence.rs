//! The sentences of the record, in the reader's language and on the reader's clock.
//!
//! The record of decisions is English, because its words are compared, searched and counted across
//! installations. It is a *closed* set of sentences with places in them, so what a person reads (a
//! diary, a ticket, an explanation) is made from it late, here, by a table: the English sentence as
//! it is written, and the Indonesian one. Refused: messages as structures, which every place that
//! gives a reason would have to build and every reader of the record to understand; and giving
//! reasons in the language of the configuration, which would make two installations incomparable.
//!
//! A reason is clauses with `; ` between them. Each clause is looked up on its own; one that the
//! table does not have (the summary of another monitor, a person's words) is left as it is.
//! A test runs every story of the correlator through the table and fails on a clause of ours that
//! is missing: whoever writes a new reason adds its line to [`SENTENCES`].

use crate::settings::Language;
use crate::time::{Timestamp, parse_duration, show_duration};
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use std::time::Duration;

/// Who reads: in which language, and by which clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Reader {
    /// The language.
    pub language: Language,
    /// The clock on the wall.
    pub timezone: TimeZone,
}

impl From<Language> for Reader {
    fn from(language: Language) -> Self {
        Reader { language, timezone: crate::settings::default_timezone() }
    }
}

impl Reader {
    /// One of two words.
    pub fn say<'a>(&self, indonesian: &'a str, english: &'a str) -> &'a str {
        match self.language {
            Language::Id => indonesian,
            Language::En => english,
        }
    }

    /// An instant on the reader's clock: `2026-11-24 09:15:00 WIB`.
    pub fn time(&self, at: Timestamp) -> String {
        match jiff::Timestamp::from_millisecond(at.as_millis()) {
            Ok(t) => t
                .to_zoned_datetime(self.timezone.clone())
                .strftime("%Y-%m-%d %H:%M:%S %Z")
                .to_string(),
            Err(_) => at.to_string(),
        }
    }

    /// The time of day alone: `09:15:00 WIB`.
    pub fn clock(&self, at: Timestamp) -> String {
        self.time(at).split_once(' ').map_or_else(|| at.to_string(), |(_, c)| c.to_owned())
    }

    /// A duration as people say it: `1 jam 30 mnt`, `1h30m`. Whole seconds, unless there is less.
    pub fn duration(&self, d: Duration) -> String {
        let d = if d.as_secs() > 0 { Duration::from_secs(d.as_secs()) } else { d };
        if self.language == Language::En {
            return show_duration(d);
        }
        let short = show_duration(d);
        let mut out = String::new();
        let mut rest = short.as_str();
        while let Some(end) = rest.find(|c: char| c.is_ascii_alphabetic()) {
            let (n, tail) = rest.split_at(end);
            let unit_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let unit = match &tail[..unit_end] {
                "d" => "hari",
                "h" => "jam",
                "m" => "mnt",
                "s" => "dtk",
                _ => "md",
            };
            let gap = if out.is_empty() { "" } else { " " };
            let _ = write!(out, "{gap}{n} {unit}");
            rest = &tail[unit_end..];
        }
        out
    }

    /// Ids that cannot be told apart.
    pub fn either<S: AsRef<str>>(&self, ids: &[S]) -> String {
        let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
        ids.join(self.say(" atau ", " or "))
    }

    /// A reason of the record, for this reader.
    pub fn sentence(&self, reason: &str) -> String {
        let mut out = String::with_capacity(reason.len() + 16);
        for (n, clause) in reason.split("; ").enumerate() {
            if n > 0 {
                out.push_str("; ");
            }
            match self.clause(clause) {
                Some(said) => out.push_str(&said),
                None => out.push_str(clause),
            }
        }
        out
    }

    fn clause(&self, clause: &str) -> Option<String> {
        for (english, indonesian) in SENTENCES {
            if let Some(slots) = matches(english, clause) {
                return Some(self.fill(self.say(indonesian, english), &slots));
            }
        }
        // The end of a remark in brackets that had clauses of its own.
        let inner = clause.strip_suffix(')')?;
        Some(self.clause(inner)? + ")")
    }

    fn fill(&self, template: &str, slots: &[(char, &str)]) -> String {
        let mut out = String::with_capacity(template.len() + 32);
        for piece in pieces(template) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Slot(n, _) => {
                    let Some((kind, value)) = slots.get(n) else { continue };
                    out.push_str(&self.value(*kind, value));
                }
            }
        }
        out
    }

    fn value(&self, kind: char, value: &str) -> String {
        match kind {
            't' => value.parse().map_or_else(|_| value.to_owned(), |at| self.time(at)),
            'd' => parse_duration(value).map_or_else(|_| value.to_owned(), |d| self.duration(d)),
            'r' if self.language == Language::Id => value.replace(" or ", " atau "),
            's' if self.language == Language::Id => value.replace(" from ", " dari "),
            'c' => self.sentence(value),
            'w' if self.language == Language::Id => word(value).to_owned(),
            _ => value.to_owned(),
        }
    }
}

/// The clauses of a reason that the table does not have. For tests of the table.
pub fn unknown_clauses(reason: &str) -> Vec<&str> {
    let reader = Reader::from(Language::Id);
    reason.split("; ").filter(|c| !c.is_empty() && reader.clause(c).is_none()).collect()
}

/// The model's words that stand inside sentences.
fn word(english: &str) -> &str {
    match english {
        "normal" => "biasa",
        "important" => "penting",
        "warning" => "peringatan",
        "average" => "sedang",
        "high" => "tinggi",
        "disaster" => "bencana",
        "maintenance" => "pemeliharaan",
        "silence" => "senyap",
        "new" => "baru",
        "assigned" => "ditugaskan",
        "in-progress" => "dikerjakan",
        "on-hold" => "menunggu",
        "resolved" => "selesai",
        "closed" => "ditutup",
        "took the ticket" => "mengambil tiket",
        "wrote a note" => "menulis catatan",
        "closed the ticket" => "menutup tiket",
        "opened the ticket again" => "membuka tiket lagi",
        "changed the ticket's priority" => "mengubah prioritas tiket",
        "merged the ticket into another" => "menggabung tiket ke tiket lain",
        "deleted the ticket" => "menghapus tiket",
        other => other,
    }
}

enum Piece<'a> {
    Text(&'a str),
    /// Its place, and what kind of thing stands there.
    Slot(usize, char),
}

/// Cuts a template at its places.
fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let Some(close) = rest[open..].find('}').map(|c| open + c) else { break };
        if open > 0 {
            out.push(Piece::Text(&rest[..open]));
        }
        let inside = &rest[open + 1..close];
        let digits = inside.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let kind = inside[digits.len()..].chars().next().unwrap_or('.');
        out.push(Piece::Slot(digits.parse().unwrap_or(0), kind));
        rest = &rest[close + 1..];
    }
    if !rest.is_empty() {
        out.push(Piece::Text(rest));
    }
    out
}

/// What stands in the places of `template` when `text` is such a sentence.
fn matches<'a>(template: &str, text: &'a str) -> Option<Vec<(char, &'a str)>> {
    let pieces = pieces(template);
    let mut slots: Vec<(char, &str)> = Vec::new();
    let mut rest = text;
    let mut at = 0;
    while at < pieces.len() {
        match &pieces[at] {
            Piece::Text(t) => {
                rest = rest.strip_prefix(t)?;
                at += 1;
            }
            Piece::Slot(n, kind) => {
                let value = match pieces.get(at + 1) {
                    None => rest,
                    // The last words of a sentence stand at its end.
                    Some(Piece::Text(t)) if at + 2 == pieces.len() => rest.strip_suffix(t)?,
                    Some(Piece::Text(t)) => &rest[..rest.find(t)?],
                    Some(Piece::Slot(..)) => return None,
                };
                if value.is_empty() || !fits(*kind, value) {
                    return None;
                }
                slots.resize((*n + 1).max(slots.len()), ('.', ""));
                slots[*n] = (*kind, value);
                rest = &rest[value.len()..];
                at += 1;
            }
        }
    }
    rest.is_empty().then_some(slots)
}

fn fits(kind: char, value: &str) -> bool {
    match kind {
        't' => value.parse::<Timestamp>().is_ok(),
        'd' => parse_duration(value).is_ok(),
        'w' => !value.contains(' '),
        'c' => unknown_clauses(value).is_empty(),
        'n' => value.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b',')),
        _ => true,
    }
}

/// Every clause that a reason of ours may have: as it is recorded, and in Indonesian.
///
/// `{0}` is a place; a letter behind the number says what stands there: `n` a number, `t` an
/// instant, `d` a duration, `r` ids with ` or ` between them, `s` by what it was seen, `w` a word
/// of the model, `c` clauses again. The first sentence that fits is taken.
pub const SENTENCES: &[(&str, &str)] = &[
    // ---- a check ----
    ("answered", "menjawab"),
    ("it answers", "menjawab"),
    ("it answers again", "menjawab lagi"),
    ("a first sign of failure", "tanda gagal pertama"),
    ("not confirmed yet", "belum dipastikan"),
    ("confirmed", "sudah dipastikan"),
    ("it still fails", "masih gagal"),
    ("bad {0n} of the last {1n}", "{0} dari {1} sampel terakhir gagal"),
    ("{0n} confirm it", "{0} memastikannya"),
    ("{0n} in {1d} confirm it", "{0} selama {1} memastikannya"),
    (
        "its name does not resolve, which says nothing about it",
        "namanya tidak ditemukan, dan itu tidak berarti apa-apa tentangnya",
    ),
    (
        "names do not resolve at {0}, first that of {1}",
        "nama tidak ditemukan di {0}, pertama milik {1}",
    ),
    ("names resolve again", "nama ditemukan lagi"),
    ("a first good answer", "jawaban baik pertama"),
    ("another one ends it", "satu lagi mengakhirinya"),
    ("bad again before it was over", "gagal lagi sebelum pulih"),
    ("the failures before it are not forgotten yet", "kegagalan sebelumnya belum terlupakan"),
    ("an answer from before the last one", "jawaban dari sebelum yang terakhir"),
    ("the same answer was taken already", "jawaban yang sama sudah diterima"),
    ("nothing in the inventory is called {0}", "tidak ada di inventaris yang bernama {0}"),
    ("it could not be asked: {0}", "tidak dapat ditanya: {0}"),
    ("nobody answered for this port", "tidak ada yang menjawab untuk port ini"),
    ("the answer says nothing about its state", "jawabannya tidak mengatakan keadaannya"),
    ("the failure stands until it answers", "gangguan tetap berlaku sampai ia menjawab"),
    ("switched off on purpose", "dimatikan dengan sengaja"),
    ("it was switched off on purpose", "dimatikan dengan sengaja"),
    (
        "it is down, and no link of the inventory ends there",
        "mati, tetapi tidak ada jalur inventaris yang berujung di sana",
    ),
    (
        "it restarted: uptime fell from {0n} s to {1n} s",
        "perangkat menyala ulang: uptime turun dari {0} dtk ke {1} dtk",
    ),
    ("nothing was watched for a while", "tidak ada yang dipantau sementara waktu"),
    ("it is asked again", "ditanya lagi"),
    ("it is asked afresh", "ditanya lagi dari awal"),
    ("what explained it answers again", "yang menjelaskannya menjawab lagi"),
    ("what it leads to answers again", "yang ada di belakangnya menjawab lagi"),
    ("what may explain it answers", "yang mungkin menjelaskannya menjawab"),
    ("time passed", "waktu berlalu"),
    ("configuration {0} takes effect", "konfigurasi {0} mulai berlaku"),
    ("nothing was watched since {0t}", "tidak ada yang dipantau sejak {0}"),
    (
        "nothing changes before it has been observed again",
        "tidak ada yang berubah sebelum terlihat lagi",
    ),
    ("this version cannot read it: {0}", "versi ini tidak bisa membacanya: {0}"),
    // ---- levels ----
    ("loss on the way to {0}: {1c}", "paket hilang di jalan ke {0}: {1}"),
    ("latency on the way to {0}: {1c}", "jalan ke {0} lambat: {1}"),
    ("path to {0}: {1c}", "jalan ke {0}: {1}"),
    ("beyond its level", "melewati ambangnya"),
    ("back within its level", "kembali di dalam ambangnya"),
    ("still beyond the level that clears it", "masih melewati ambang pulihnya"),
    ("the level is {0n}", "ambangnya {0}"),
    ("{0} is at least {1n} over {2d}", "{0} paling sedikit {1} selama {2}"),
    ("{0} is {1n} over {2d}", "{0} = {1} selama {2}"),
    ("{0} is {1n}, back within {2n}", "{0} = {1}, kembali di bawah {2}"),
    ("{0} is {1n}", "{0} = {1}"),
    ("not enough of it to raise", "belum cukup untuk menaikkan alarm"),
    ("its level is no longer configured", "ambangnya tidak lagi diatur"),
    ("{0} rises no more: {1n}", "{0} tidak naik lagi: {1}"),
    ("{0} rose by {1n} over {2d}, to {3n}, at {4}", "{0} naik {1} selama {2}, menjadi {3}, di {4}"),
    ("{0} rose by {1n} over {2d}, to {3n}", "{0} naik {1} selama {2}, menjadi {3}"),
    ("usual here is {0n}, the level is {1n}", "biasanya di sini {0}, ambangnya {1}"),
    (
        "most of those behind it answer well, so it is P4",
        "kebanyakan yang di belakangnya menjawab baik, jadi P4",
    ),
    (
        "nothing is unreachable, so at most P2",
        "tidak ada yang tidak terjangkau, jadi paling tinggi P2",
    ),
    // ---- who explains whom ----
    (
        "waiting for the evidence of what may explain it",
        "menunggu bukti dari yang mungkin menjelaskannya",
    ),
    (
        "confirmed, waiting for the evidence of what may explain it",
        "sudah dipastikan, menunggu bukti dari yang mungkin menjelaskannya",
    ),
    (
        "waiting for our own evidence of its device",
        "menunggu bukti kita sendiri tentang perangkatnya",
    ),
    ("nothing nearer explains it", "tidak ada yang lebih dekat yang menjelaskannya"),
    ("it opened an incident", "membuka insiden"),
    ("it opened the same incident again", "membuka lagi insiden yang sama"),
    ("evidence of an incident that is open already", "bukti untuk insiden yang sudah terbuka"),
    ("something nearer failed and explains it", "yang lebih dekat gagal dan menjelaskannya"),
    ("{0r} failed and explains it", "{0} gagal dan menjelaskannya"),
    ("{0r} explains it better than {1r}", "{0} lebih menjelaskannya daripada {1}"),
    ("{0r} explains all of it", "{0} menjelaskan semuanya"),
    (
        "one that needs the same answers again",
        "salah satu yang membutuhkan hal yang sama menjawab lagi",
    ),
    (
        "masked by {0r}: it hides whether this still fails",
        "tertutup oleh {0}: tidak terlihat apakah ini masih gagal",
    ),
    ("looked at again when that is over", "diperiksa lagi setelah itu pulih"),
    ("split from {0w}", "dipisah dari {0}"),
    (
        "{0r}: all that needs it and can be seen fails ({1}), {2s}",
        "{0}: semua yang membutuhkannya dan dapat dilihat gagal ({1}), {2}",
    ),
    (
        "but {0} answers, which only it leads to: it is not answering rather than down, or a link is missing in the inventory",
        "tetapi {0} menjawab, padahal hanya lewat sini jalannya: ia tidak menjawab, bukan mati, atau ada jalur yang belum tercatat di inventaris",
    ),
    (
        "what only it leads to answers, so at most P3",
        "yang hanya lewat sini jalannya menjawab, jadi paling tinggi P3",
    ),
    (
        "it has power, for port {0} that leads to it is up",
        "ia bertenaga, sebab port {0} yang menuju ke sana hidup",
    ),
    ("every port that leads to it is down", "semua port yang menuju ke sana mati"),
    ("redundancy of {0} is lost", "cadangan {0} hilang"),
    ("{0r} explains it", "{0} menjelaskannya"),
    // ---- several probes, and ourselves ----
    (
        "blind behind {0}: neither it nor anybody else answers {1}",
        "buta di belakang {0}: ia maupun yang lain tidak menjawab {1}",
    ),
    (
        "blind behind {0}: no witness of {1} answers ({2})",
        "buta di belakang {0}: tidak ada saksi dari {1} yang menjawab ({2})",
    ),
    (
        "what {0} observes means nothing until one does",
        "yang dilihat {0} tidak berarti sampai ada yang menjawab",
    ),
    ("what it observes means nothing", "yang dilihatnya tidak berarti"),
    (
        "everything is observed again before anything changes",
        "semuanya dilihat lagi sebelum ada yang berubah",
    ),
    ("it is observed again", "dilihat lagi"),
    ("nobody observes any more what is left of it", "tidak ada lagi yang melihat sisanya"),
    (
        "{0} is isolated, and nobody else observes it",
        "{0} terisolasi, dan tidak ada lain yang melihatnya",
    ),
    ("{0} is isolated", "{0} terisolasi"),
    ("{0} sees again", "{0} melihat lagi"),
    ("{0} reaches it", "{0} menjangkaunya"),
    ("{0} was silent for a while", "{0} diam sementara waktu"),
    (
        "nothing is heard from {0}, and nobody else observes it",
        "tidak ada kabar dari {0}, dan tidak ada lain yang melihatnya",
    ),
    ("other probes reach it, so at most P3", "pengukur lain menjangkaunya, jadi paling tinggi P3"),
    (
        "path {0} → {1}: {2} gets no answer, others do",
        "jalan {0} → {1}: {2} tidak mendapat jawaban, yang lain mendapat",
    ),
    (
        "who watches from there sees nothing, so it is P1 whatever is behind it",
        "yang mengawasi dari sana tidak melihat apa-apa, jadi P1 apa pun di belakangnya",
    ),
    // ---- flapping ----
    ("it changes too often to mean anything", "terlalu sering berubah untuk berarti"),
    (
        "it answers, but changes too often to be believed",
        "menjawab, tetapi terlalu sering berubah untuk dipercaya",
    ),
    ("{0n} confirmed changes within {1d}", "{0} perubahan pasti dalam {1}"),
    ("it has been steady, and answers", "sudah stabil, dan menjawab"),
    ("it has been steady, and fails", "sudah stabil, dan gagal"),
    (
        "it changes too often to be told each time",
        "terlalu sering berubah untuk dikabarkan setiap kali",
    ),
    ("it does not change any more, and fails", "tidak berubah lagi, dan gagal"),
    // ---- what fails, and how urgent it is ----
    ("{0} as {1} wants it: {2} (computed: {3c})", "{0} atas permintaan {1}: {2} (dihitung: {3})"),
    (
        "{0} as {1} wants it until {2t}: {3} (computed: {4c}",
        "{0} atas permintaan {1} sampai {2}: {3} (dihitung: {4}",
    ),
    (
        "{0} as {1} wants it until {2t} (computed: {3c}",
        "{0} atas permintaan {1} sampai {2} (dihitung: {3}",
    ),
    ("{0} wanted {1} until now", "{0} menghendaki {1} sampai sekarang"),
    ("it is {0} again, as computed: {1c}", "kini {0} lagi, menurut perhitungan: {1}"),
    (
        "it stays {0} until {1t} at least: at most {2n} changes in {3d}",
        "tetap {0} paling cepat sampai {1}: paling banyak {2} perubahan dalam {3}",
    ),
    ("{0} as {1} wants it: {2} (computed: {3c}", "{0} atas permintaan {1}: {2} (dihitung: {3}"),
    ("{0r} does not answer, seen by {1s}", "{0} tidak menjawab, terlihat oleh {1}"),
    ("seen by {0s}", "oleh {0}"),
    ("{0r} does not answer {1}", "{0} tidak menjawab {1}"),
    ("{0} of {1} is beyond its level", "{0} pada {1} melewati ambangnya"),
    ("link {0r} is down, seen at {1}", "jalur {0} putus, terlihat di {1}"),
    ("port {0} is down", "port {0} mati"),
    (
        "{0w} × {1w} (most critical: {2}, because of the season {3}) = {4}: {5n} device(s), {6n} site(s), {7n} service(s), {8n} user(s)",
        "{0} × {1} (paling penting: {2}, karena musim {3}) = {4}: {5} perangkat, {6} situs, {7} layanan, {8} pengguna",
    ),
    (
        "{0w} × {1w} (most critical: {2}) = {3}: {4n} device(s), {5n} site(s), {6n} service(s), {7n} user(s)",
        "{0} × {1} (paling penting: {2}) = {3}: {4} perangkat, {5} situs, {6} layanan, {7} pengguna",
    ),
    (
        "{0w} × {1w} = {2}: {3n} device(s), {4n} site(s), {5n} service(s), {6n} user(s)",
        "{0} × {1} = {2}: {3} perangkat, {4} situs, {5} layanan, {6} pengguna",
    ),
    (
        "{0}, for a signal of severity {1w} about something the inventory does not know",
        "{0}, untuk sinyal tingkat {1} tentang sesuatu yang tidak ada di inventaris",
    ),
    ("a signal of severity info alone is P4", "satu sinyal tingkat info saja adalah P4"),
    (
        "a signal of severity warning alone is at most P3",
        "satu sinyal tingkat peringatan saja paling tinggi P3",
    ),
    ("it answers otherwise, so at most P3", "ia menjawab dengan cara lain, jadi paling tinggi P3"),
    (
        "both ends answer: redundancy is lost, at most P3",
        "kedua ujung menjawab: cadangan hilang, paling tinggi P3",
    ),
    // ---- how it ended ----
    ("nothing of it fails any more, after {0d}", "tidak ada lagi yang gagal, sesudah {0}"),
    ("its probe was removed from the inventory", "pengukurnya dihapus dari inventaris"),
    ("it is called {0} from here on", "mulai sekarang bernama {0}"),
    ("it was called {0} until here", "sampai di sini bernama {0}"),
    ("it was removed from the inventory", "dihapus dari inventaris"),
    ("it stayed resolved for {0d}", "tetap selesai selama {0}"),
    ("the source says it is over", "sumbernya mengatakan sudah selesai"),
    // ---- storms ----
    (
        "a storm: {0n} incident(s) of P3, {1n} of them open",
        "badai: {0} insiden P3, {1} masih terbuka",
    ),
    (
        "more than {0n} new incidents in {1d}: P3s are presented together",
        "lebih dari {0} insiden baru dalam {1}: P3 disajikan bersama",
    ),
    ("presented in the digest {0} of a storm", "disajikan dalam rangkuman {0} dari sebuah badai"),
    // ---- windows ----
    (
        "still down at the end of {0w} {1} ({2}): {3c}",
        "masih putus saat {0} {1} ({2}) berakhir: {3}",
    ),
    ("still down at the end of window {0}", "masih putus saat jendela {0} berakhir"),
    ("it has overrun", "melampaui waktunya"),
    ("{0} ended it", "diakhiri oleh {0}"),
    (
        "suspected change: {0} ({1}, which ended {2d} before)",
        "diduga akibat perubahan: {0} ({1}, berakhir {2} sebelumnya)",
    ),
    (
        "suspected change: {0} ({1}, which ends now)",
        "diduga akibat perubahan: {0} ({1}, berakhir sekarang)",
    ),
    ("{0} stands in the configuration", "{0} ada di konfigurasi"),
    ("choose another id", "pilih id lain"),
    (
        "{0w} {1} is not taken: there are {2n} windows",
        "{0} {1} tidak diterima: sudah ada {2} jendela",
    ),
    ("end one first", "akhiri satu dahulu"),
    ("{0w} {1} is not taken: it is over already", "{0} {1} tidak diterima: sudah lewat"),
    ("{0w} {1} is not taken: its rule: {2}", "{0} {1} tidak diterima: aturannya: {2}"),
    (
        "{0w} {1} by {2} until {3t}, and again by {4}: {5}",
        "{0} {1} oleh {2} sampai {3}, dan lagi menurut {4}: {5}",
    ),
    ("{0w} {1} covers it until {2t}", "{0} {1} mencakupnya sampai {2}"),
    ("{0w} {1} covers it until its end", "{0} {1} mencakupnya sampai berakhir"),
    ("{0w} {1} by {2} until {3t}: {4}", "{0} {1} oleh {2} sampai {3}: {4}"),
    ("{0} ends now, says {1}", "{0} berakhir sekarang, kata {1}"),
    ("there is no window {0} that could end", "tidak ada jendela {0} yang bisa diakhiri"),
    // ---- signals ----
    ("this problem stands already", "masalah ini sudah tercatat"),
    ("no problem of this key stands", "tidak ada masalah dengan kunci ini"),
    ("that problem ended already", "masalah itu sudah berakhir"),
    ("its severity changed", "tingkatnya berubah"),
    ("{0} says it is over", "{0} mengatakan sudah selesai"),
    (
        "{0} says: names do not resolve at {1}, first that of {2}",
        "{0} melaporkan: nama tidak ditemukan di {1}, pertama milik {2}",
    ),
    ("{0} says: {1}", "{0} melaporkan: {1}"),
    (
        "overruled: {0} still says {1}, but {2} has answered us for {3d}",
        "ditolak: {0} masih mengatakan {1}, tetapi {2} sudah menjawab kita selama {3}",
    ),
    (
        "what others still say of it is overruled by our own evidence, after {0d}",
        "yang masih dikatakan yang lain ditolak oleh bukti kita sendiri, sesudah {0}",
    ),
    // ---- people and desks ----
    ("there is no incident {0}", "tidak ada insiden {0}"),
    ("{0} has seen it", "{0} sudah melihatnya"),
    ("{0} acknowledges what is {1w} already", "{0} mengakui yang sudah {1}"),
    ("{0} resolves what is {1w} already", "{0} menyelesaikan yang sudah {1}"),
    ("{0} resolved it: {1}", "{0} menyelesaikannya: {1}"),
    ("{0} resolved it", "{0} menyelesaikannya"),
    ("{0} notes: {1}", "{0} mencatat: {1}"),
    ("{0} makes it {1}: {2}", "{0} menjadikannya {1}: {2}"),
    ("{0} makes it {1}", "{0} menjadikannya {1}"),
    ("{0} says that it belongs to {1}", "{0} mengatakan tiket ini milik {1}"),
    ("{0} says that the wrong team has it", "{0} mengatakan tiket ini salah tim"),
    ("sent by the rule {0}: {1}", "dikirim oleh aturan {0}: {1}"),
    ("sent by the rule {0}", "dikirim oleh aturan {0}"),
    (
        "{0} says wrong team of what has no ticket",
        "{0} mengatakan salah tim, tetapi belum ada tiket",
    ),
    ("{0} took the ticket at {1}", "{0} mengambil tiket di {1}"),
    ("{0} wrote a note at {1}: {2}", "{0} menulis catatan di {1}: {2}"),
    ("{0} wrote a note at {1}", "{0} menulis catatan di {1}"),
    ("{0} closed the ticket at {1}", "{0} menutup tiket di {1}"),
    ("{0} opened the ticket again at {1}", "{0} membuka tiket lagi di {1}"),
    (
        "{0} changed the ticket's priority at {1} to {2}",
        "{0} mengubah prioritas tiket di {1} menjadi {2}",
    ),
    ("{0} changed the ticket's priority at {1}", "{0} mengubah prioritas tiket di {1}"),
    ("{0} merged the ticket into another at {1}", "{0} menggabung tiket ke tiket lain di {1}"),
    ("{0} deleted the ticket at {1}", "{0} menghapus tiket di {1}"),
    // ---- telling the desk ----
    (
        "the desk shall have a ticket under this key",
        "sistem tiket akan menerima tiket dengan kunci ini",
    ),
    (
        "it was over before the desk could be told",
        "sudah berakhir sebelum sistem tiket bisa diberi tahu",
    ),
    ("it gets no ticket", "tidak dibuatkan tiket"),
    ("the desk shows what it should", "sistem tiket menunjukkan yang semestinya"),
    ("the desk has done it", "sistem tiket sudah melakukannya"),
    ("the desk has kept the key", "sistem tiket menyimpan kuncinya"),
    (
        "the desk has not kept the key: does the field exist, may we write and read it?",
        "sistem tiket tidak menyimpan kuncinya: apakah kolomnya ada, bolehkah kita menulis dan membacanya?",
    ),
    ("ticket {0} has the key", "tiket {0} memuat kuncinya"),
    ("ticket {0} has the key, and so have {1}", "tiket {0} memuat kuncinya, begitu juga {1}"),
    ("no ticket has the key", "tidak ada tiket yang memuat kuncinya"),
    (
        "the search returned {0n} tickets, none of them with the key",
        "pencarian memberi {0} tiket, tidak satu pun memuat kuncinya",
    ),
    ("could not be read back: {0}", "tidak dapat dibaca kembali: {0}"),
    ("the ticket does not show it", "tiketnya tidak menunjukkannya"),
    ("read again after a dry run", "dibaca lagi sesudah latihan"),
    ("looking failed: {0}", "pencarian gagal: {0}"),
    ("refused {0n} times: {1}", "ditolak {0} kali: {1}"),
    ("the process ended before an answer came", "proses berakhir sebelum jawaban datang"),
    ("this desk has no way to {0}", "sistem tiket ini tidak punya cara untuk {0}"),
    (
        "the answer was lost and this desk cannot be read",
        "jawabannya hilang dan sistem tiket ini tidak bisa dibaca",
    ),
    ("not said again", "tidak diulang"),
    ("set again", "diatur lagi"),
    ("we are about to stop", "kami akan berhenti"),
    ("its line took too long to become durable", "barisnya terlalu lama menjadi tetap"),
    ("the answer does not belong to the request", "jawabannya bukan untuk permintaan ini"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn id(reason: &str) -> String {
        Reader::from(Language::Id).sentence(reason)
    }

    #[test]
    fn a_reason_is_read_clause_by_clause() {
        assert_eq!(
            id("bad 2 of the last 5; 3 confirm it"),
            "2 dari 5 sampel terakhir gagal; 3 memastikannya"
        );
        assert_eq!(
            id(
                "a/x|b/y or b does not answer, seen by icmp from noc-1, zabbix; masif × vital (most critical: b) = P1: 3 device(s), 1 site(s), 2 service(s), 1200 user(s)"
            ),
            "a/x|b/y atau b tidak menjawab, terlihat oleh icmp dari noc-1, zabbix; masif × vital (paling penting: b) = P1: 3 perangkat, 1 situs, 2 layanan, 1200 pengguna"
        );
        assert_eq!(
            id(
                "link l is down, seen at a/1; P1 as sari wants it: visit (computed: lokal × normal = P3: 0 device(s), 0 site(s), 0 service(s), 0 user(s); both ends answer: redundancy is lost, at most P3)"
            ),
            "jalur l putus, terlihat di a/1; P1 atas permintaan sari: visit (dihitung: lokal × biasa = P3: 0 perangkat, 0 situs, 0 layanan, 0 pengguna; kedua ujung menjawab: cadangan hilang, paling tinggi P3)"
        );
    }

    #[test]
    fn times_and_durations_are_the_readers() {
        let reason = "maintenance chg-1 covers it until 2026-11-24T03:15:00.000Z";
        assert_eq!(id(reason), "pemeliharaan chg-1 mencakupnya sampai 2026-11-24 10:15:00 WIB");
        let english = Reader::from(Language::En);
        assert_eq!(
            english.sentence(reason),
            "maintenance chg-1 covers it until 2026-11-24 10:15:00 WIB"
        );
        assert_eq!(
            id("nothing of it fails any more, after 1h30m5s"),
            "tidak ada lagi yang gagal, sesudah 1 jam 30 mnt 5 dtk"
        );
        assert_eq!(english.clock("2026-11-24T03:15:00Z".parse().unwrap()), "10:15:00 WIB");
        let jakarta =
            Reader { language: Language::Id, timezone: TimeZone::get("Asia/Jakarta").unwrap() };
        assert_eq!(jakarta.clock("2026-11-24T03:15:00Z".parse().unwrap()), "10:15:00 WIB");
    }

    #[test]
    fn what_is_not_ours_is_left_as_it_is() {
        assert_eq!(id("Link down on sw-core-1"), "Link down on sw-core-1");
        assert_eq!(id("zabbix says: a; b; it answers"), "zabbix melaporkan: a; b; menjawab");
        assert_eq!(unknown_clauses("it answers; hm"), ["hm"]);
        assert_eq!(id(""), "");
    }

    /// The same places stand in both languages, and English is what was recorded, byte for byte.
    #[test]
    fn every_sentence_has_the_same_places_in_both_languages() {
        let english = Reader::from(Language::En);
        for (en, id) in SENTENCES {
            let places = |t: &str| {
                let mut n: Vec<usize> = pieces(t)
                    .iter()
                    .filter_map(|p| match p {
                        Piece::Slot(n, _) => Some(*n),
                        Piece::Text(_) => None,
                    })
                    .collect();
                n.sort_unstable();
                n
            };
            assert_eq!(places(en), places(id), "{en:?} and {id:?}");
            assert!(!en.contains("; "), "{en:?} is two clauses");
            let mut example = en.to_string();
            for n in 0..9 {
                for (kind, value) in [
                    ("n", "7"),
                    ("d", "5m"),
                    ("r", "x or y"),
                    ("s", "icmp"),
                    ("w", "high"),
                    ("", "z"),
                ] {
                    example = example.replace(&format!("{{{n}{kind}}}"), value);
                }
            }
            if !example.contains('{') {
                assert_eq!(english.sentence(&example), example);
                assert!(unknown_clauses(&example).is_empty(), "{example}");
            }
        }
    }
}
