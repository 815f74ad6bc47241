//! The diary's lines as sentences, for somebody who reads them at three in the morning.
//!
//! The core's own reasons are sentences already, in the English of the record; they are read in the
//! reader's language through `model::sentence`. What is added here says who did what to what.

use model::Reader;
use model::settings::Language;

/// A line as it was kept.
pub(crate) struct Kept {
    pub(crate) kind: String,
    pub(crate) word: String,
    pub(crate) subject: Option<String>,
    pub(crate) aside: Option<String>,
    pub(crate) by: Option<String>,
    pub(crate) reason: String,
}

/// What happened, in a sentence.
pub(crate) fn sentence(line: &Kept, reader: &Reader) -> String {
    let say = |id: &str, en: &str| reader.say(id, en).to_owned();
    let subject = line.subject.as_deref().unwrap_or("?");
    let aside = line.aside.as_deref().unwrap_or("");
    let head = match line.kind.as_str() {
        "incident" => {
            let what = match line.word.as_str() {
                "opened" => say("Insiden dibuka", "Incident opened"),
                "updated" => say("Insiden berubah", "Incident changed"),
                "rerooted" => say("Akar masalah diperbarui", "Root cause revised"),
                "merged" => say("Digabung ke", "Merged into") + " " + subject,
                "split" => say("Dipisah", "Split off"),
                "acknowledged" => say("Diakui", "Acknowledged"),
                "assigned" => say("Ditugaskan", "Assigned"),
                "on-hold" => say("Menunggu pihak luar", "Put on hold"),
                "recovered" => say("Pulih", "Recovered"),
                "reopened" => say("Dibuka lagi", "Reopened"),
                "resolved" => say("Selesai", "Resolved"),
                "closed" => say("Ditutup", "Closed"),
                other => other.to_owned(),
            };
            let by = line.by.as_ref().map_or(String::new(), |by| say(" oleh ", " by ") + by);
            format!("{what}{by} ({aside})")
        }
        "alarm" => {
            let state = match line.word.as_str() {
                "ok" => say("baik lagi", "good again"),
                "suspect" => say("dicurigai", "suspect"),
                "held" => say(
                    "gagal, menunggu bukti perangkat di depannya",
                    "failed, held until what stands before it has answered",
                ),
                "raised" => say("gagal", "failed"),
                "clearing" => say("mulai pulih", "clearing"),
                "flapping" => say("naik-turun (flapping)", "flapping"),
                "unknown" => say("tidak diketahui", "unknown"),
                other => other.to_owned(),
            };
            format!("{subject} · {aside}: {state}")
        }
        "verdict" => match line.word.as_str() {
            "opened" => say("Kejadian pertama: ", "The event that opened it: ") + subject,
            "command" => say("Permintaan petugas", "An operator's request"),
            "desk" => say("Kabar dari sistem tiket", "News from the desk"),
            other => other.to_owned(),
        },
        "intent" => match line.word.as_str() {
            "create" => say("Tiket diminta", "A ticket is asked for"),
            "note" => say("Catatan untuk tiket", "A note for the ticket"),
            "reprioritise" => {
                say("Prioritas tiket menjadi", "The ticket's priority becomes") + " " + aside
            }
            "resolve" => say("Tiket diselesaikan", "The ticket is to be resolved"),
            "reopen" => say("Tiket dibuka lagi", "The ticket is to be reopened"),
            "merge" => say("Tiket digabung", "The ticket is to be merged"),
            "notify" => say("Pemberitahuan", "People are told"),
            other => other.to_owned(),
        },
        "delivery" => {
            let (call, ticket) = aside.split_once(' ').unwrap_or((aside, ""));
            let call = match call {
                "create" => say("membuat tiket", "opening the ticket"),
                "note" => say("menambah catatan", "adding a note"),
                "priority" => say("mengubah prioritas", "changing the priority"),
                "resolve" => say("menyelesaikan tiket", "resolving the ticket"),
                "reopen" => say("membuka lagi tiket", "reopening the ticket"),
                "find" => say("mencari tiket", "looking the ticket up"),
                "read" => say("membaca tiket", "reading the ticket"),
                _ => say("tiket", "ticket"),
            };
            let step = match line.word.as_str() {
                "confirmed" => say("berhasil", "done"),
                "refused" => say(
                    "ditolak atau tidak terjangkau, akan dicoba lagi",
                    "refused or not reached, will be tried again",
                ),
                "doubtful" => say("belum pasti, sedang diperiksa", "in doubt, being looked up"),
                "found" => say("ditemukan", "found"),
                "not-found" => say("tidak ditemukan", "not found"),
                "unanswered" => {
                    say("tidak dijawab, akan dicoba lagi", "not answered, will be tried again")
                }
                "given-up" => say("ditinggalkan", "given up"),
                "unable" => say(
                    "tidak bisa di sistem ini, ditulis sebagai catatan",
                    "this desk cannot, said in a note",
                ),
                "settled" => say(
                    "tidak dibuat: sudah berakhir sebelum sistem tiket bisa diberi tahu",
                    "none: it was over before the desk could be told",
                ),
                "dry-run" => say("latihan (dry-run), tidak dikirim", "dry run, not sent"),
                other => other.to_owned(),
            };
            let ticket = if ticket.is_empty() { String::new() } else { format!(" #{ticket}") };
            format!("{subject}: {call}{ticket}: {step}")
        }
        other => other.to_owned(),
    };
    match line.reason.trim() {
        "" => format!("{head}."),
        // What a ticket was told is in the language of the configuration already.
        reason if line.kind == "intent" => format!("{head}. {reason}"),
        reason => format!("{head}. {}", reader.sentence(reason)),
    }
}

/// What a verdict means, and what would have made it another: for `explain`.
pub(crate) fn meaning(verdict: &str, language: Language) -> (&'static str, &'static str) {
    let (id, en) = match verdict {
        "normal" => (
            (
                "Jawaban yang semestinya; tidak ada yang berubah.",
                "Jawaban yang hilang atau nilai di atas ambang akan membuatnya dicurigai.",
            ),
            (
                "An answer as it should be; nothing changed.",
                "No reply, or a value beyond its threshold, would have made it suspect.",
            ),
        ),
        "suspect" => (
            (
                "Tanda gagal pertama; belum dipastikan dan ditanyakan ulang segera.",
                "Cukup banyak sampel gagal lagi akan memastikannya; dua jawaban baik menghapusnya.",
            ),
            (
                "A first sign of failure; not confirmed, and asked again at once.",
                "Enough further failures confirm it; good answers in a row dismiss it.",
            ),
        ),
        "held" => (
            (
                "Gagal dan sudah dipastikan, tetapi perangkat di depannya belum menjawab.",
                "Bukti segar dari semua perangkat di depannya (atau batas waktu tahan) mengakhirinya.",
            ),
            (
                "Confirmed, but what stands between it and the probe has not been heard yet.",
                "Fresh evidence from all of that (or the longest hold) would have ended the wait.",
            ),
        ),
        "opened" => (
            (
                "Membuka insiden: tidak ada yang lebih dekat ke pengukur yang menjelaskannya.",
                "Jika sesuatu di depannya juga gagal, ia akan ditahan di bawah akar itu.",
            ),
            (
                "It opened an incident: nothing nearer to the probe explains it.",
                "Had something before it failed as well, it would have been suppressed under that root.",
            ),
        ),
        "joined" => (
            (
                "Bukti tambahan untuk insiden yang sudah terbuka.",
                "Tanpa insiden terbuka dengan akar yang sama, ia akan membuka insiden sendiri.",
            ),
            (
                "Evidence of an incident that is open already.",
                "Without an open incident of the same root it would have opened one.",
            ),
        ),
        "suppressed-by-root" => (
            (
                "Ditahan: sesuatu yang lebih dekat ke pengukur gagal dan menjelaskannya.",
                "Jika akar itu menjawab, ini akan menjadi insiden sendiri; saat akar pulih, ini diperiksa ulang.",
            ),
            (
                "Suppressed: something nearer to the probe failed and explains it.",
                "Had that root answered, this would have been an incident of its own; it is examined again when the root recovers.",
            ),
        ),
        "updated" => (
            (
                "Mengubah keterangan insiden atau alarm, bukan ada-tidaknya.",
                "Tanpa perubahan nilai, ia akan menjadi rutin.",
            ),
            (
                "It changed something about an incident or alarm, not whether it stands.",
                "Without a change it would have been routine.",
            ),
        ),
        "clearing" => (
            (
                "Tanda baik pertama sesudah gagal.",
                "Cukup jawaban baik berturut-turut akan memulihkannya.",
            ),
            (
                "A first good sign after a failure.",
                "Enough good answers in a row would have cleared it.",
            ),
        ),
        "recovered" => (
            ("Alarm berakhir.", "Satu sampel gagal lagi sebelum ini akan menundanya."),
            ("The alarm is over.", "Another failed sample before it would have put this off."),
        ),
        "flapping" => (
            (
                "Terlalu sering berubah sehingga perubahan ini tidak berarti apa-apa.",
                "Lebih sedikit perubahan dalam jendela waktu akan membuatnya dihitung biasa.",
            ),
            (
                "It changes so often that this change says nothing.",
                "Fewer changes within the window and it would have counted.",
            ),
        ),
        "below-threshold" => (
            (
                "Lebih buruk daripada baik, belum mencapai ambang.",
                "Nilai pada atau di atas ambang akan menaikkan alarm.",
            ),
            (
                "Worse than good, not as bad as the raise level.",
                "A value at or beyond the raise level would have raised it.",
            ),
        ),
        "in-maintenance" => (
            (
                "Tercakup jendela pemeliharaan.",
                "Di luar jendela itu ia akan diperlakukan biasa; saat jendela berakhir, ia diperiksa ulang.",
            ),
            (
                "A maintenance window covers it.",
                "Outside of that window it would have counted; it is examined again when the window ends.",
            ),
        ),
        "silenced" => (
            (
                "Disenyapkan.",
                "Tanpa senyap ini ia akan disajikan; saat senyap berakhir, ia diperiksa ulang.",
            ),
            (
                "A silence covers it.",
                "Without the silence it would have been presented; it is examined again when that ends.",
            ),
        ),
        "unknown" => (
            (
                "Tidak bisa ditanyakan atau jawabannya tidak bisa dibaca: bukan bukti naik atau turun.",
                "Jawaban yang terbaca, atau diam yang benar-benar diam, akan dihitung.",
            ),
            (
                "We could not ask, or not read the answer: no evidence of up or down.",
                "A readable answer, or true silence, would have counted.",
            ),
        ),
        "duplicate" => (
            ("Hal yang sama sudah disampaikan.", "Kunci atau keadaan yang lain akan dihitung."),
            ("The same thing was said before.", "Another key or another state would have counted."),
        ),
        "late" => (
            ("Lebih tua daripada yang sudah diketahui.", "Tiba lebih awal, ia akan dihitung."),
            ("Older than what is known already.", "Had it come in time it would have counted."),
        ),
        "unmatched-target" => (
            (
                "Tidak ada di inventaris dengan nama itu.",
                "Tambahkan perangkat (atau namanya di sistem lain) ke inventaris.",
            ),
            (
                "Nothing in the inventory is called that.",
                "Add the device (or what the other system calls it) to the inventory.",
            ),
        ),
        "admin-down" => (
            (
                "Port dimatikan dengan sengaja.",
                "Dengan status admin hidup, port mati akan menjadi alarm.",
            ),
            (
                "The port is switched off on purpose.",
                "With its admin status up, a port that is down would have been an alarm.",
            ),
        ),
        "command" => (("Permintaan petugas.", ""), ("What a person asked for.", "")),
        "desk" => (("Kabar dari sistem tiket.", ""), ("What was seen on a ticket.", "")),
        "config" => (("Konfigurasi mulai berlaku.", ""), ("A configuration took effect.", "")),
        "gap" => (
            ("Tidak ada yang dipantau selama jeda ini.", ""),
            ("Nothing was watched for a while.", ""),
        ),
        "time" => (("Waktu berlalu.", ""), ("Time passed.", "")),
        _ => (("", ""), ("", "")),
    };
    match language {
        Language::Id => id,
        Language::En => en,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Verdict;

    #[test]
    fn every_verdict_has_a_meaning_in_both_languages() {
        for v in Verdict::ALL {
            let (id, en) = (meaning(v.word(), Language::Id), meaning(v.word(), Language::En));
            assert!(!id.0.is_empty() && !en.0.is_empty() && id != en, "{v}");
        }
    }

    #[test]
    fn a_line_says_who_did_what() {
        let mut line = Kept {
            kind: "incident".into(),
            word: "acknowledged".into(),
            subject: None,
            aside: Some("P1 masif".into()),
            by: Some("sari".into()),
            reason: "Sudah ditangani.".into(),
        };
        assert_eq!(
            sentence(&line, &Language::Id.into()),
            "Diakui oleh sari (P1 masif). Sudah ditangani."
        );
        assert_eq!(
            sentence(&line, &Language::En.into()),
            "Acknowledged by sari (P1 masif). Sudah ditangani."
        );
        line = Kept {
            kind: "delivery".into(),
            word: "confirmed".into(),
            subject: Some("rt".into()),
            aside: Some("create 42".into()),
            by: None,
            reason: String::new(),
        };
        assert_eq!(sentence(&line, &Language::En.into()), "rt: opening the ticket #42: done.");
    }
}
