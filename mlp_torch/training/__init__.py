"""Training (ch. 4): the Lightning side.

- data: `Data`, from a source to encoded tables
- table: a table's rows read, checked, split, fitted and encoded, in memory or on disk
- batches: slices of a permutation of a table
- loaders: the batches of a fit, in the memory of the device that trains
- devices: CPU or GPU, and in which precision
- task: `Task`, the LightningModule
- checkpoints: when what is saved: best and last, and when the process is asked to stop
- checkpoint_files: a folder of checkpoints, each with a manifest; which one a run goes on from
- environment: versions, threads and device, told where a run goes on elsewhere
- retuning: another learning rate for a run that goes on
- transfer: what a run takes of another one's weights
- distillation: a small student learns from what a stage says, and is served alone
- pretraining: a model that learns from rows without labels, for a run that begins with it
- freezing: what learns, from which epoch on and how fast
- finiteness: the first step whose loss or gradient is not finite
- distribution: several processes that train one model, each on its share of every batch
- tensorboard: curves beside their baseline
- learned: the vectors of embeddings beside their words
- progress: a bar on a terminal, elsewhere a line an epoch
- pruning: trials of a study that are worse than others end early
- overfitting: a look at columns, parameters and the first loss
- by_heart: can 32 rows be learned by heart?
- causes: why they cannot: dead units, noise, what is frozen, scales
"""
