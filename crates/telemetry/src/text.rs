//! From OpenMetrics to the older Prometheus text format 0.0.4.
//!
//! The library writes OpenMetrics only; many tools that read `/metrics` by hand know only the older
//! form. They differ in little: in 0.0.4 a family is called as its samples are (`x_total`,
//! `x_info`), there is no unit line, no exemplar and no end mark.

/// The same samples in the text format 0.0.4.
pub(crate) fn to_prometheus_text(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len());
    // HELP stands before TYPE, and only TYPE says what the family will be called; so it waits.
    let mut help: Option<(&str, &str)> = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = Some(rest.split_once(' ').unwrap_or((rest, "")));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "stateset" => ("", "gauge"),
                "unknown" => ("", "untyped"),
                same => ("", same),
            };
            if let Some((_, text)) = help.take_if(|(of, _)| *of == name) {
                push(&mut out, &["# HELP ", name, suffix, " ", text]);
            }
            push(&mut out, &["# TYPE ", name, suffix, " ", kind]);
        } else if !line.starts_with('#') && !line.is_empty() {
            push(&mut out, &[without_exemplar(line)]);
        }
    }
    out
}

fn push(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
    out.push('\n');
}

/// The sample before ` # {…} value`. A label's value may hold the very same characters, so the
/// labels are walked over, quotes and all.
fn without_exemplar(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '#' if !quoted => return line[..at].trim_end(),
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_called_as_their_samples_are() {
        let open = "\
# HELP kentongan_events Events.
# TYPE kentongan_events counter
kentongan_events_total{kind=\"tick\"} 3
# HELP kentongan_build Build.
# TYPE kentongan_build info
kentongan_build_info{version=\"0.1.0\"} 1
# HELP kentongan_wait_seconds Waits.
# TYPE kentongan_wait_seconds histogram
# UNIT kentongan_wait_seconds seconds
kentongan_wait_seconds_bucket{le=\"1.0\"} 1 # {trace=\"a\"} 0.5
kentongan_wait_seconds_sum 0.5
# EOF
";
        let old = "\
# HELP kentongan_events_total Events.
# TYPE kentongan_events_total counter
kentongan_events_total{kind=\"tick\"} 3
# HELP kentongan_build_info Build.
# TYPE kentongan_build_info gauge
kentongan_build_info{version=\"0.1.0\"} 1
# HELP kentongan_wait_seconds Waits.
# TYPE kentongan_wait_seconds histogram
kentongan_wait_seconds_bucket{le=\"1.0\"} 1
kentongan_wait_seconds_sum 0.5
";
        assert_eq!(to_prometheus_text(open), old);
    }

    #[test]
    fn a_hash_in_a_label_is_no_exemplar() {
        for line in [r#"a{b="x # {y} 1"} 2"#, r#"a{b="q\" # z"} 2"#, "a 2"] {
            assert_eq!(without_exemplar(line), line);
            assert_eq!(without_exemplar(&format!("{line} # {{t=\"1\"}} 3")), line);
        }
    }
}
