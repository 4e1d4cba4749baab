// observer.h: what train() tells while it runs, on every rank, and what it asks.
#pragma once

struct TrainingObserver {
    virtual ~TrainingObserver() = default;
    /// on_step() is called every so many steps; 0: never.
    virtual int steps_between_reports() const { return 0; }
    /// loss: mean over the steps since the last report, each taken before its update, plus the
    /// penalty.
    virtual void on_step(int epoch, int step, int steps, double loss) = 0;
    /// loss: the same over the whole epoch. The replicas' parameters have been compared.
    virtual void on_epoch(int epoch, double loss) = 0;
    /// True if stops() must be called after every step. Whole epochs in one submission, which are
    /// faster, are then not possible.
    virtual bool may_stop() const { return false; }
    /// After every step: true to end there. The same on every rank.
    virtual bool stops() { return false; }
};
