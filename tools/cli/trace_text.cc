#include "tools/cli/trace_text.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "services/common/config/proto_time.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::signaling_edge::v1;

constexpr size_t kWidth = 34;  // between two lines of life
constexpr size_t kTime = 11;

// What an arrow says: the method, or code and phrase, and whether media is
// described.
std::string Label(const pb::CallTraceMessage& message) {
  std::string label = message.summary();
  if (absl::string_view rest = label; absl::ConsumePrefix(&rest, "SIP/2.0 ")) {
    label = std::string(rest);
  } else {
    label = label.substr(0, label.find(' '));
  }
  if (message.text().find("\nm=audio") != std::string::npos) {
    const bool keyed = message.text().find("RTP/SAVP") != std::string::npos;
    absl::StrAppend(&label, keyed ? " (SRTP)" : " (RTP)");
  }
  return Printable(label).substr(0, kWidth - 6);
}

std::string Arrow(const std::string& label, bool rightwards) {
  const size_t left = (kWidth - label.size() - 4) / 2;
  const size_t right = kWidth - label.size() - 4 - left;
  return absl::StrCat(rightwards ? "-" : "<", std::string(left, '-'), " ",
                      label, " ", std::string(right, '-'),
                      rightwards ? ">" : "-");
}

std::string LegLine(const pb::CallTraceLeg& leg, char mark) {
  std::string transport = pb::CallTraceLeg::descriptor()
                              ->FindFieldByName("transport")
                              ->enum_type()
                              ->FindValueByNumber(leg.transport())
                              ->name();
  transport = std::string(absl::StripPrefix(transport, "TRANSPORT_"));
  return absl::StrCat(std::string(1, mark), ": ", Printable(leg.party()), ", ",
                      transport, " ", leg.remote(),
                      leg.connection().empty() ? "" : ", ", leg.connection(),
                      "\n");
}

// In front of a line: since the first message.
std::string At(absl::Duration since) {
  constexpr absl::Duration kLong = absl::Seconds(1000);
  if (since < kLong && since > -kLong) {
    return absl::StrFormat("%*.3f s ", static_cast<int>(kTime) - 3,
                           absl::ToDoubleSeconds(since));
  }
  return absl::StrFormat(
      "%*s ", static_cast<int>(kTime) - 1,
      absl::FormatDuration(absl::Trunc(since, absl::Seconds(1))));
}

}  // namespace

std::string TraceText(const pb::CallTrace& trace, bool messages,
                      std::vector<TraceNote> notes) {
  std::string out = absl::StrCat(
      absl::StripSuffix(trace.name(), "/trace"), ": ",
      absl::StripPrefix(pb::CallState_Name(trace.state()), "CALL_STATE_"),
      trace.reason().empty() ? "" : ", ", trace.reason(), "\n");
  char mark = 'A';
  for (const pb::CallTraceLeg& leg : trace.legs()) {
    absl::StrAppend(&out, LegLine(leg, mark++));
  }
  if (trace.dropped_messages() != 0) {
    absl::StrAppend(&out, trace.dropped_messages(),
                    " messages are not kept any more\n");
  }
  std::stable_sort(
      notes.begin(), notes.end(),
      [](const TraceNote& a, const TraceNote& b) { return a.time < b.time; });
  if (trace.messages().empty()) {
    for (const TraceNote& note : notes) {
      absl::StrAppend(&out, note.text, "\n");
    }
    return out;
  }
  const absl::Time start = FromProto(trace.messages(0).message_time());
  size_t noted = 0;
  const auto note_until = [&](absl::Time time) {
    for (; noted < notes.size() && notes[noted].time <= time; ++noted) {
      absl::StrAppend(&out, At(notes[noted].time - start), notes[noted].text,
                      "\n");
    }
  };
  const std::string blank(kTime, ' ');
  const std::string gap(kWidth, ' ');
  absl::StrAppend(&out, "\n", blank, "A", gap, "edge", gap.substr(3), "B\n");
  for (const pb::CallTraceMessage& message : trace.messages()) {
    const absl::Time time = FromProto(message.message_time());
    note_until(time);
    const bool caller = message.leg() == 0;
    const std::string arrow = Arrow(Label(message), caller != message.sent());
    std::string line = absl::StrCat(At(time - start), "|", caller ? arrow : gap,
                                    "|", caller ? gap : arrow, "|");
    if (!message.reason().empty())
      absl::StrAppend(&line, "  ", message.reason());
    absl::StrAppend(&out, line, "\n");
    if (!messages) continue;
    for (const absl::string_view text : absl::StrSplit(message.text(), '\n')) {
      absl::StrAppend(&out, blank, "  ", Printable(std::string(text)), "\n");
    }
  }
  note_until(absl::InfiniteFuture());
  return out;
}

}  // namespace sallyport::cli
