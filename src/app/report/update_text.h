// update_text.h: the learning rate's schedule and the rule of the updates, in words.
#pragma once
#include <string>

#include "train/settings.h"

/// "1.2 x 0.88 each epoch", "0.001 down a cosine to 0, with 100 steps of warm-up".
std::string rate_text(const Training& training);
/// "sgd", "adam, beta1 0.9, beta2 0.999, epsilon 1e-08".
std::string rule_text(const Rule& rule);
