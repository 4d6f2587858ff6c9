// EvaluateChange's answer as an operator reads it.

#ifndef SALLYPORT_TOOLS_CLI_EVALUATION_TEXT_H_
#define SALLYPORT_TOOLS_CLI_EVALUATION_TEXT_H_

#include <string>

#include "sallyport/dialplan/v1/evaluate_change.pb.h"

namespace sallyport::cli {

// What would refuse the change; else each decision that would change, before
// and after, how many attempts were tried, and whose are missing. Pure.
std::string EvaluationText(
    const dialplan::v1::EvaluateChangeResponse& evaluation);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_EVALUATION_TEXT_H_
