#include "tools/cli/collect_cmd.h"

#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/tar_writer.h"

namespace sallyport::cli {
namespace {

struct Piece {
  const char* file;
  const char* words;
};

// Where a guide says "packet captures and traces of both servers": what the
// services themselves remember, without keys and passwords.
constexpr Piece kPieces[] = {
    {"doctor.txt", "doctor"},
    {"status.json", "get status -o json"},
    {"listeners.txt", "listeners"},
    {"restarts.txt", "restarts"},
    {"plan.yaml", "get all -o yaml"},
    {"findings.txt", "check"},
    {"connections.json", "connections -o json"},
    {"registrations.json", "registrations -o json"},
    {"trunks.json", "trunks -o json"},
    {"calls.json", "calls -o json"},
    {"refusals.json", "refusals -o json --parent tenants/-"},
    {"events.json", "events -o json"},
    {"certificate-events.txt", "events --certificates"},
    {"sessions.json", "sessions -o json"},
    {"trust-lists.json", "get trust-lists -o json"},
    {"trust-stores.json", "get trust-stores -o json"},
    {"certificates.json", "certificates -o json"},
    {"phones.json", "enrollments -o json"},
    {"cluster.txt", "cluster show"},
    {"procedures.txt", "procedure list"},
};

struct CollectOptions {
  std::string file;
  std::vector<std::string> calls;
};

absl::Status RunCollect(CliContext& context, const CollectOptions& options,
                        const RunWords& run) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  TarWriter archive;
  const absl::Time now = absl::Now();
  std::string manifest;
  const auto add = [&](const std::string& file,
                       const std::vector<std::string>& words) {
    std::ostringstream out;
    std::ostringstream err;
    const int code = run(words, out, err);
    archive.Add(file, out.str() + err.str(), now);
    absl::StrAppend(&manifest, file, ": sallyport ", absl::StrJoin(words, " "),
                    ", exit code ", code, "\n");
    context.out() << (code == 0 ? std::string("ok    ")
                                : absl::StrCat("code ", code))
                  << "  " << file << "\n";
  };
  for (const Piece& piece : kPieces) {
    add(piece.file, absl::StrSplit(piece.words, ' '));
  }
  for (size_t i = 0; i < options.calls.size(); ++i) {
    add(absl::StrCat("call-", i + 1, ".txt"), {"trace", options.calls[i]});
  }
  archive.Add("contents.txt", manifest, now);
  SP_RETURN_IF_ERROR(WriteDurableFile(options.file, archive.Finish()));
  context.out() << "written: " << options.file << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddCollectCommand(CLI::App& app, CliContext& context, RunWords run) {
  const auto options = std::make_shared<CollectOptions>();
  CLI::App* const command = app.add_subcommand(
      "collect",
      "Writes what all services know into one archive, without secrets");
  command->add_option("file", options->file, "The archive, such as case.tar")
      ->required();
  command->add_option("--call", options->calls,
                      "Also the SIP ladder of this call");
  command->callback([&context, options, run = std::move(run)] {
    context.result = RunCollect(context, *options, run);
  });
}

}  // namespace sallyport::cli
